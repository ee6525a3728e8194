//! Whether a change may cut its operator off, or move a virtual router: such a one is taken only
//! with a confirmation, so that a mistake goes back by itself.

use mark21_config::Config;

/// What is at stake when one configuration follows the other, in an operator's words; empty for
/// a change that needs no confirmation.
pub(crate) fn of(from: &Config, to: &Config) -> Vec<String> {
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
    for route in from.routes.iter() {
        if !to.routes.iter().any(|kept| kept == route) {
            risks.push(format!("it takes away the route to {}", route.to));
        }
    }
    for router in from.virtual_routers.iter() {
        let name = &router.name;
        match to.virtual_routers.iter().find(|kept| kept.name == *name) {
            None => risks.push(format!("it removes virtual router {name}")),
            Some(kept) => {
                let is_same_place = kept.vrid == router.vrid
                    && to.interface(kept.interface).name == from.interface(router.interface).name
                    && kept.priority == router.priority
                    && kept.addresses.iter().eq(router.addresses.iter());
                if !is_same_place {
                    risks.push(format!("it moves virtual router {name}"));
                }
            }
        }
    }
    risks
}
