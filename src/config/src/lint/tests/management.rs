//! Management, time and logs.

use super::{Case, case, check};

#[test]
fn management_time_and_logs_that_cannot_work_are_refused() {
    check(MANAGEMENT_TIME_AND_LOGS);
}

macro_rules! management {
    ($rest:literal) => {
        concat!(
            "[management]\nauthorized_keys=[\"ssh-ed25519 \
             AAAAC3NzaC1lZDI1NTE5AAAAIPNSMdbyTMJVYhBPKqcXaOX2aObSUVPVEKZlsrkMFIQk a\"]\n",
            $rest
        )
    };
}

pub(super) const MANAGEMENT_TIME_AND_LOGS: &[Case] = &[
    case(
        "management, time and logs that work",
        &[(
            "#end",
            management!(
                "interface='inside'\nallow=['10.0.0.0/24','fd21::/64']\n[time]\nservers=['192.0.2.123']\n\
                 [[syslog]]\naddress='10.0.0.5'\n[[syslog]]\naddress='10.0.0.5'\nprotocol='tcp'\n"
            ),
        )],
        &[],
    ),
    case(
        "management where clients come in",
        &[("#end", management!("interface='outside'\nallow=['192.0.2.0/24']"))],
        &["error: management . interface: clients of service \"ftp\" come in here"],
    ),
    case(
        "management without an address",
        &[(
            "#end",
            management!("interface='bare'\nallow=['10.0.0.0/24']\n[[interface]]\nname='bare'\ndevice='eth9'"),
        )],
        &["error: management . interface: it has no address of this box alone"],
    ),
    case(
        "management for everybody",
        &[("#end", management!("interface='inside'\nallow=['0.0.0.0/0']"))],
        &["warning: management . allow 1: everybody may try"],
    ),
    case(
        "management for a family without an address",
        &[
            (
                "addresses = [\"10.0.0.2/24\", \"fd21::2/64\"]\n[[v",
                "addresses = [\"10.0.0.2/24\", \"fd21::2/64\"]\n[[interface]]\nname='m'\ndevice='eth2'\naddresses=['10.9.0.1/24']\n[[v",
            ),
            ("#end", management!("interface='m'\nallow=['10.9.0.0/24','fd21:9::/64']")),
        ],
        &["error: management . allow 2: the interface has no IPv6 address"],
    ),
    case(
        "one key twice",
        &[(
            "#end",
            "[management]\ninterface='inside'\nallow=['10.0.0.0/24']\nauthorized_keys=[\"ssh-ed25519 \
             AAAAC3NzaC1lZDI1NTE5AAAAIPNSMdbyTMJVYhBPKqcXaOX2aObSUVPVEKZlsrkMFIQk a\",\"ssh-ed25519 \
             AAAAC3NzaC1lZDI1NTE5AAAAIPNSMdbyTMJVYhBPKqcXaOX2aObSUVPVEKZlsrkMFIQk b\"]",
        )],
        &["error: management . authorized_keys 2: this key is in the list already"],
    ),
    case(
        "a time server and a syslog server that are this box",
        &[("#end", "[time]\nservers=['10.0.0.2']\n[[syslog]]\naddress='192.0.2.10'")],
        &[
            "error: time . servers 1: it is an address of this box",
            "error: syslog 1 . address: it is an address",
        ],
    ),
    case(
        "a syslog server twice",
        &[("#end", "[[syslog]]\naddress='10.0.0.5'\n[[syslog]]\naddress='10.0.0.5'\nport=514")],
        &["error: syslog 2 . address: another [[syslog]] is the same"],
    ),
];
