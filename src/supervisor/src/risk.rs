//! Whether a change may cut its operator off, or move a virtual router: such a one is taken only
//! with a confirmation, so that a mistake goes back by itself.

use mark21_config::{Config, Prefix};

/// What is at stake when one configuration follows the other, in an operator's words; empty for
/// a change that needs no confirmation.
pub(crate) fn of(from: &Config, to: &Config) -> Vec<String> {
    let mut risks = interfaces(from, to);
    for route in from.routes.iter() {
        if !to.routes.iter().any(|kept| kept == route) {
            risks.push(format!("it takes away the route to {}", route.to));
        }
    }
    risks.extend(virtual_routers(from, to));
    risks.extend(management(from, to));
    risks
}

fn interfaces(from: &Config, to: &Config) -> Vec<String> {
    let mut risks = Vec::new();
    for interface in from.interfaces.iter() {
        let name = &interface.name;
        match to.interfaces.iter().find(|kept| kept.name == *name) {
            None => risks.push(format!("it removes interface {name}")),
            Some(kept) => {
                if kept.link != interface.link {
                    risks.push(format!("it moves interface {name} to another port"));
                }
                let stays = |address| kept.addresses.iter().any(|there| there == address);
                if !interface.addresses.iter().all(stays) {
                    risks.push(format!("it takes an address from interface {name}"));
                }
            }
        }
    }
    risks
}

fn virtual_routers(from: &Config, to: &Config) -> Vec<String> {
    let mut risks = Vec::new();
    for router in from.virtual_routers.iter() {
        let name = &router.name;
        match to.virtual_routers.iter().find(|kept| kept.name == *name) {
            None => risks.push(format!("it removes virtual router {name}")),
            Some(kept) => {
                let is_same_place = kept.vrid == router.vrid
                    && to.interface(kept.interface).name == from.interface(router.interface).name
                    && kept.priority == router.priority
                    && kept.addresses.iter().eq(router.addresses.iter())
                    // One that begins to preempt may take the addresses; one that speaks to others
                    // hears nobody of before.
                    && (router.preempt || !kept.preempt)
                    && kept.peers.iter().eq(router.peers.iter());
                if !is_same_place {
                    risks.push(format!("it moves virtual router {name}"));
                }
            }
        }
    }
    risks
}

/// The way in by ssh, which ends the sessions that it lets in no more. Whose session the commit
/// comes from is not asked: it may be any.
fn management(from: &Config, to: &Config) -> Vec<String> {
    let mut risks = Vec::new();
    let Some(before) = &from.management else { return risks };
    let Some(after) = &to.management else {
        risks.push("it shuts the way in by ssh".to_owned());
        return risks;
    };
    let stays: Vec<_> = to.management_addresses().collect();
    for address in from.management_addresses().filter(|address| !stays.contains(address)) {
        risks.push(format!("ssh listens on {address} no more"));
    }
    for network in before.allow.iter() {
        if !after.allow.iter().any(|wider| covers(wider, network)) {
            risks.push(format!("ssh lets in nobody from {network} any more"));
        }
    }
    let same = |one: &str, other: &str| one.split(' ').take(2).eq(other.split(' ').take(2));
    for key in before.authorized_keys.iter().map(|key| key.as_str()) {
        if !after.authorized_keys.iter().any(|kept| same(kept.as_str(), key)) {
            let name = key.splitn(3, ' ').nth(2).unwrap_or("without a name");
            risks.push(format!("it takes away the ssh key {name}"));
        }
    }
    risks
}

fn covers(wider: &Prefix, network: &Prefix) -> bool {
    wider.prefix_len <= network.prefix_len && wider.contains(network.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
schema = 1
[[interface]]
name = "outside"
device = "eth0"
addresses = ["192.0.2.2/24"]
[[interface]]
name = "inside"
device = "eth1"
addresses = ["10.0.0.2/24", "10.0.9.2/24"]
[[route]]
to = "default"
via = "192.0.2.254"
[[virtual_router]]
name = "inside"
interface = "inside"
vrid = 51
addresses = ["10.0.0.1/24"]
[management]
interface = "inside"
allow = ["10.0.0.0/24"]
authorized_keys = [
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJf5i1g8MhEWIVzJDhKEMHu3bJ0a1b9y8v8Yb1hWq8kX anna",
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJf5i1g8MhEWIVzJDhKEMHu3bJ0a1b9y8v8Yb1hWq8kY berta",
]
"#;

    fn config(text: &str) -> Config {
        match mark21_config::parse(text) {
            Ok(parsed) => *parsed.config,
            Err(findings) => panic!("{}", findings.render(text, "case")),
        }
    }

    #[test]
    fn what_may_cut_its_operator_off_or_moves_an_address_is_told() {
        let cases = [
            ("\"eth0\"", "\"eth7\"", "it moves interface outside to another port"),
            (", \"10.0.9.2/24\"", "", "it takes an address from interface inside"),
            ("192.0.2.254", "192.0.2.253", "it takes away the route to"),
            ("vrid = 51", "vrid = 52", "it moves virtual router inside"),
            ("vrid = 51", "vrid = 51\npreempt = true", "it moves virtual router inside"),
            ("vrid = 51", "vrid = 51\npeers = [\"10.0.0.3\"]", "it moves virtual router inside"),
            ("8kY berta\"", "8kZ berta\"", "it takes away the ssh key berta"),
            ("[\"10.0.0.0/24\"]", "[\"10.0.0.0/25\"]", "ssh lets in nobody from 10.0.0.0/24 any more"),
            (
                "interface = \"inside\"\nallow",
                "interface = \"outside\"\nallow",
                "ssh listens on 10.0.0.2 no more",
            ),
        ];
        for (old, new, wanted) in cases {
            assert!(GOOD.contains(old), "{old}");
            let risks = of(&config(GOOD), &config(&GOOD.replace(old, new)));
            assert!(risks.iter().any(|risk| risk.starts_with(wanted)), "{wanted}: {risks:?}");
        }
        let (without, _) = GOOD.split_once("[management]").expect("it is there");
        assert_eq!(of(&config(GOOD), &config(without)), ["it shuts the way in by ssh"]);
    }

    #[test]
    fn what_adds_or_renames_is_no_risk() {
        let cases = [
            ("8kY berta\"", "8kY of berta\""),
            ("[\"10.0.0.0/24\"]", "[\"10.0.0.0/16\", \"192.0.2.0/24\"]"),
            ("vrid = 51\n", "vrid = 51\nadvertisement_interval = \"2s\"\n"),
            ("schema = 1\n", "schema = 1\n[time]\nservers = [\"10.0.0.9\"]\n"),
        ];
        for (old, new) in cases {
            assert!(GOOD.contains(old), "{old}");
            let risks = of(&config(GOOD), &config(&GOOD.replace(old, new)));
            assert!(risks.is_empty(), "{new}: {risks:?}");
        }
        let (without, _) = GOOD.split_once("[management]").expect("it is there");
        assert_eq!(of(&config(without), &config(GOOD)), Vec::<String>::new());
    }
}
