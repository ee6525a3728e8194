//! The configuration that follows from what setup was answered, for this box and the other.

use std::fmt::Write as _;

use super::{Answers, Role};

/// The same pair, seen from the other box.
pub(super) fn of_the_other(answers: &Answers) -> Answers {
    let length = |address: &str| address.split_once('/').map_or("", |(_, length)| length).to_owned();
    let bare = |address: &str| address.split('/').next().unwrap_or_default().to_owned();
    let swapped = |own: &str, other: &str| format!("{other}/{}", length(own));
    let (role, name) = match answers.role {
        Role::First => (Role::Second, "director-b"),
        Role::Second | Role::Alone => (Role::First, "director-a"),
    };
    let name = match answers.hostname.strip_suffix("-a").or(answers.hostname.strip_suffix("-b")) {
        Some(stem) => format!("{stem}{}", name.trim_start_matches("director")),
        None => name.to_owned(),
    };
    Answers {
        role,
        hostname: name,
        outside_address: swapped(&answers.outside_address, &answers.other_outside),
        other_outside: bare(&answers.outside_address),
        inside_address: swapped(&answers.inside_address, &answers.other_inside),
        other_inside: bare(&answers.inside_address),
        ..answers.clone()
    }
}

/// The configuration that follows from the answers.
pub(super) fn text(answers: &Answers) -> String {
    let Answers { hostname, outside, inside, outside_address, inside_address, virtual_address, .. } = answers;
    let length = |address: &str| address.split_once('/').map_or("24", |(_, length)| length).to_owned();
    let mut text = format!("# Written by setup.\nschema = 1\n\n[system]\nhostname = \"{hostname}\"\n");
    let shared = match answers.role {
        // Alone, the box has the virtual address itself.
        Role::Alone => format!(", \"{virtual_address}/{}\"", length(outside_address)),
        Role::First | Role::Second => String::new(),
    };
    // Writing into a String cannot fail.
    let _ = write!(
        text,
        "\n[[interface]]\nname = \"outside\"\ndevice = \"{outside}\"\naddresses = [\"{outside_address}\"{shared}]\n\
         \n[[interface]]\nname = \"inside\"\ndevice = \"{inside}\"\naddresses = [\"{inside_address}\"]\n"
    );
    if !answers.gateway.is_empty() {
        let _ = write!(text, "\n[[route]]\nto = \"default\"\nvia = \"{}\"\n", answers.gateway);
    }
    if answers.role != Role::Alone {
        let priority = if answers.role == Role::First { 200 } else { 100 };
        let routers = [
            ("outside", 50, format!("{virtual_address}/{}", length(outside_address))),
            ("inside", 51, format!("{}/{}", answers.inside_gateway, length(inside_address))),
        ];
        for (name, vrid, address) in routers {
            let _ = write!(
                text,
                "\n[[virtual_router]]\nname = \"{name}\"\ninterface = \"{name}\"\nvrid = {vrid}\n\
                 priority = {priority}\nadvertisement_interval = \"200ms\"\naddresses = [\"{address}\"]\n"
            );
        }
        // Two addresses that nobody else sees; the sync link leads nowhere.
        let (own, other) = if answers.role == Role::First { (1, 2) } else { (2, 1) };
        let (interface, peer) = match answers.sync.as_str() {
            "" => ("inside", answers.other_inside.clone()),
            device => {
                let _ = write!(
                    text,
                    "\n[[interface]]\nname = \"sync\"\ndevice = \"{device}\"\naddresses = [\"10.255.21.{own}/30\"]\n"
                );
                ("sync", format!("10.255.21.{other}"))
            }
        };
        let _ = write!(
            text,
            "\n[[sync_group]]\nname = \"director\"\nmembers = [\"outside\", \"inside\"]\n\
             \n[sync]\ninterface = \"{interface}\"\npeer = \"{peer}\"\n"
        );
    }
    let passive = if answers.announced { "passive = \"server\"\n" } else { "" };
    let _ = write!(
        text,
        "\n[[service]]\nname = \"ftp\"\nkind = \"ftp\"\naddresses = [\"{virtual_address}\"]\n{passive}"
    );
    for server in &answers.real_servers {
        let _ = write!(text, "\n[[service.real_server]]\naddresses = [\"{server}\"]\n");
    }
    text
}
