//! How many rules a packet of a running transfer meets: no more than in a set that a person writes
//! by hand for the same protection of both families.

use super::*;
use crate::fixtures;

/// What accepts such a packet, or `None` in a chain that it passes to its end.
type Accepting = Option<&'static str>;

/// Chains of type nat are not here: they see the first packet of a connection alone.
const TO_THE_SERVER: [(&str, Accepting); 3] = [
    ("prerouting", None),
    ("input", Some(r#""left":{"meta":{"key":"mark"}}"#)),
    ("output", Some(r#""left":{"meta":{"key":"mark"}}"#)),
];
const TO_THE_CLIENT: [(&str, Accepting); 3] =
    [("prerouting", None), ("forward", Some(r#""left":{"ct":{"key":"state"}}"#)), ("guard", None)];

fn met(ruleset: &Ruleset, way: &[(&str, Accepting)]) -> usize {
    let in_chain = |(name, accepting): &(&str, Accepting)| {
        let rules = &ruleset.0.chains.get(*name).unwrap_or_else(|| panic!("no chain {name}")).rules;
        let Some(mark) = accepting else { return rules.len() };
        let position = rules.iter().position(|rule| rule.contains(mark));
        1 + position.unwrap_or_else(|| panic!("nothing in {name} has {mark}: {rules:#?}"))
    };
    way.iter().map(in_chain).sum()
}

#[test]
fn a_packet_of_a_transfer_meets_no_more_rules_than_in_a_set_by_hand() {
    // By hand, for one family and for two. To the server: a mark for each family; the mark on the
    // way in and on the way out. To the client: the marks; what is established; a rule
    // for each family that keeps inside addresses in.
    for (configuration, to_the_server, to_the_client) in
        [(fixtures::SMALL, 1 + 1 + 1, 1 + 1 + 1), (fixtures::FULL, 2 + 1 + 1, 2 + 1 + 2)]
    {
        let ruleset = fixtures::desired(configuration).firewall;
        assert_eq!(met(&ruleset, &TO_THE_SERVER), to_the_server, "{:#?}", ruleset.0.chains);
        assert_eq!(met(&ruleset, &TO_THE_CLIENT), to_the_client, "{:#?}", ruleset.0.chains);
    }
}
