//! How many rules a packet of a running transfer meets: no more than in a set that a person writes
//! by hand for the same protection of both families.

use super::*;
use crate::fixtures;

/// What accepts such a packet.
type Accepting = &'static str;

/// Chains of type nat are not here: they see the first packet of a connection alone.
const ESTABLISHED: Accepting = r#""left":{"ct":{"key":"state"}}"#;
const TO_THE_SERVER: [(&str, Accepting); 2] = [("input", ESTABLISHED), ("output", ESTABLISHED)];
const TO_THE_CLIENT: [(&str, Accepting); 2] = [("forward", ESTABLISHED), ("guard", r#""right":"@servers4""#)];

fn met(ruleset: &Ruleset, way: &[(&str, Accepting)]) -> usize {
    let in_chain = |(name, accepting): &(&str, Accepting)| {
        let rules = &ruleset.0.chains.get(*name).unwrap_or_else(|| panic!("no chain {name}")).rules;
        let position = rules.iter().position(|rule| rule.contains(accepting));
        1 + position.unwrap_or_else(|| panic!("nothing in {name} has {accepting}: {rules:#?}"))
    };
    way.iter().map(in_chain).sum()
}

#[test]
fn a_packet_of_a_transfer_meets_no_more_rules_than_in_a_set_by_hand() {
    // By hand, a mark for each packet, on the way in and on the way out; to the client, the mark, what
    // is established, and what keeps inside addresses in. For two families two of those are two.
    const BY_HAND: usize = 1 + 1 + 1;
    for configuration in [fixtures::SMALL, fixtures::FULL] {
        let ruleset = fixtures::desired(configuration).firewall;
        for way in [TO_THE_SERVER, TO_THE_CLIENT] {
            let met = met(&ruleset, &way);
            assert!(met <= BY_HAND, "{met} of {way:?}: {:#?}", ruleset.0.chains);
        }
    }
}
