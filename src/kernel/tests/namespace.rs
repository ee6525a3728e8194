//! Plans against a real kernel, each in a network namespace of its own.
//!
//! Modules and IPVS are left out: they belong to the whole machine, and the scenarios in QEMU prove
//! them. A test starts itself anew within `unshare -n`.

use std::error::Error;
use std::process::Command;

use mark21_kernel::{ExtraError, Kernel, Watch};
use mark21_reconcile::{Change, Desired, Domain, ExtraChange, Ipvs, Overrides, Plan, plan};

type Outcome = Result<(), Box<dyn Error>>;

const CONFIG: &str = r#"
schema = 1
[system]
hostname = "director-a"
[[interface]]
name = "outside"
device = "eth0"
addresses = ["192.0.2.2/24", "192.0.2.10/24", "2001:db8::2/64"]
mtu = 1400
[[interface]]
name = "inside"
device = "eth1"
addresses = ["10.0.0.1/24", "fd21::1/64"]
[[route]]
to = "default"
via = "192.0.2.254"
[[route]]
to = "::/0"
via = "2001:db8::fe"
metric = 50
[[route]]
to = "203.0.113.0/24"
blackhole = true
[[route]]
to = "2001:db8:dead::/48"
blackhole = true
[[route]]
to = "10.7.0.0/16"
interface = "inside"
source = "10.0.0.1"
[[route]]
to = "2001:db8:7::/48"
via = "fe80::7"
interface = "outside"
[[service]]
name = "ftp"
kind = "ftp"
addresses = ["192.0.2.10"]
mark = 21
passive = "rewrite"
passive_ports = "10000-20000"
scheduler = "wlc"
persistence = "10m"
[[service.real_server]]
addresses = ["10.0.0.11"]
"#;

/// Runs `test` in a fresh network namespace with two ports, or says why not.
fn in_namespace(name: &str, test: fn() -> Outcome) -> Outcome {
    const INSIDE: &str = "MARK21_TEST_NAMESPACE";
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    let ports = "for n in 0 1; do ip link add eth$n type veth peer name far$n && ip link set far$n up || exit 77; done";
    let script =
        format!("nft list tables >/dev/null || exit 77; {ports}; exec \"$0\" --exact {name} --nocapture");
    let mut command = Command::new("unshare");
    command.args(["-n", "sh", "-c", &script]).arg(std::env::current_exe()?).env(INSIDE, "1");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) if status.code() == Some(77) => {
            println!("SKIPPED: no nft, or no veth");
            Ok(())
        }
        Ok(status) if status.code() == Some(1) => {
            println!("SKIPPED: no network namespaces");
            Ok(())
        }
        Ok(status) => Err(format!("{name} in its namespace: {status}").into()),
        Err(error) => {
            println!("SKIPPED: unshare: {error}");
            Ok(())
        }
    }
}

/// What a configuration wants, without what belongs to the whole machine.
fn desired(kernel: &mut Kernel, text: &str) -> Result<Desired, Box<dyn Error>> {
    let parsed = mark21_config::parse(text).map_err(|findings| format!("{findings:?}"))?;
    let mut desired = Desired::from_config(&parsed.config, &kernel.machine()?, &Overrides::default());
    assert_eq!(desired.missing, []);
    of_namespace(&mut desired);
    Ok(desired)
}

fn of_namespace(desired: &mut Desired) {
    desired.modules.clear();
    desired.ipvs = Ipvs::default();
    desired.sysctls.retain(|sysctl| {
        !sysctl.path.starts_with("net/netfilter/") && !sysctl.path.starts_with("net/ipv4/vs/")
    });
}

fn apply(kernel: &mut Kernel, desired: &Desired) -> Result<Plan, Box<dyn Error>> {
    let plan = plan(desired, &kernel.observe(desired)?);
    let mut made = 0;
    let applied = kernel.apply(&plan, |change| {
        made += 1;
        println!("{change} ({})", change.when());
    });
    if let Err(error) = applied {
        return Err(
            format!("{error}: {}", error.source().map_or_else(String::new, ToString::to_string)).into()
        );
    }
    assert_eq!(made, plan.changes.len());
    Ok(plan)
}

fn assert_nothing_to_do(kernel: &mut Kernel, desired: &Desired) -> Outcome {
    let rest = plan(desired, &kernel.observe(desired)?);
    let rest: Vec<String> = rest.changes.iter().map(ToString::to_string).collect();
    assert_eq!(rest, Vec::<String>::new());
    Ok(())
}

fn domains(plan: &Plan) -> Vec<Domain> {
    let mut domains: Vec<Domain> = plan.changes.iter().map(Change::domain).collect();
    domains.dedup();
    domains
}

fn run(command: &str) {
    let status = Command::new("sh").args(["-c", command]).status().expect("a shell");
    assert!(status.success(), "{command}");
}

#[test]
fn a_second_apply_finds_nothing_to_do() -> Outcome {
    in_namespace("a_second_apply_finds_nothing_to_do", || {
        let mut kernel = Kernel::open()?;
        let desired = desired(&mut kernel, CONFIG)?;
        let first = apply(&mut kernel, &desired)?;
        assert!(first.changes.len() > 20);
        assert_nothing_to_do(&mut kernel, &desired)
    })
}

#[test]
fn foreign_changes_are_told_and_repaired() -> Outcome {
    in_namespace("foreign_changes_are_told_and_repaired", || {
        let mut kernel = Kernel::open()?;
        let desired = desired(&mut kernel, CONFIG)?;
        apply(&mut kernel, &desired)?;
        let mut watch = Watch::open()?;
        watch.drain()?;
        assert!(!watch.drain()?.any());
        let cases: [(&str, &[Domain]); 9] = [
            ("nft flush ruleset", &[Domain::Firewall]),
            ("nft add rule inet mark21 input accept", &[Domain::Firewall]),
            ("nft add chain inet mark21 stranger", &[Domain::Firewall]),
            ("ip address del 192.0.2.2/24 dev eth0", &[Domain::Addresses]),
            ("ip address add 192.0.2.77/24 dev eth0", &[Domain::Addresses]),
            ("ip -6 address del fd21::1/64 dev eth1", &[Domain::Addresses]),
            ("ip route del default", &[Domain::Routes]),
            ("ip link set eth0 mtu 1300", &[Domain::Links]),
            ("sysctl -q -w net.ipv6.conf.eth0.accept_ra=2", &[Domain::Sysctls]),
        ];
        for (command, expected) in cases {
            run(command);
            let foreign = watch.drain()?;
            assert_eq!(foreign.any(), expected != [Domain::Sysctls], "{command}: {foreign:?}");
            assert_eq!(foreign.firewall, expected == [Domain::Firewall], "{command}");
            let repair = apply(&mut kernel, &desired)?;
            assert_eq!(domains(&repair), expected, "{command}");
            assert_nothing_to_do(&mut kernel, &desired)?;
            watch.drain()?;
        }
        Ok(())
    })
}

#[test]
fn a_link_that_goes_and_comes_is_set_up_again() -> Outcome {
    in_namespace("a_link_that_goes_and_comes_is_set_up_again", || {
        let mut kernel = Kernel::open()?;
        let wanted = desired(&mut kernel, CONFIG)?;
        apply(&mut kernel, &wanted)?;
        run("ip link set eth0 down");
        apply(&mut kernel, &wanted)?;
        assert_nothing_to_do(&mut kernel, &wanted)?;
        run("ip link del eth0");
        let parsed = mark21_config::parse(CONFIG).map_err(|findings| format!("{findings:?}"))?;
        let gone = Desired::from_config(&parsed.config, &kernel.machine()?, &Overrides::default());
        assert_eq!(gone.missing.len(), 1);
        run("ip link add eth0 type veth peer name far0 && ip link set far0 up");
        let wanted = desired(&mut kernel, CONFIG)?;
        apply(&mut kernel, &wanted)?;
        assert_nothing_to_do(&mut kernel, &wanted)
    })
}

#[test]
fn the_kernel_s_own_addresses_stay() -> Outcome {
    in_namespace("the_kernel_s_own_addresses_stay", || {
        let mut kernel = Kernel::open()?;
        let desired = desired(&mut kernel, CONFIG)?;
        apply(&mut kernel, &desired)?;
        let observed = kernel.observe(&desired)?;
        let link_local = observed.addresses.iter().filter(|there| there.address.prefix_len == 64);
        let link_local = link_local.filter(|there| there.protocol != 21).count();
        assert!(link_local >= 2, "both links are up and have an address of their own: {observed:?}");
        assert_nothing_to_do(&mut kernel, &desired)
    })
}

#[test]
fn fail_secure_leaves_no_address_no_route_and_no_forwarding() -> Outcome {
    in_namespace("fail_secure_leaves_no_address_no_route_and_no_forwarding", || {
        let mut kernel = Kernel::open()?;
        let wanted = desired(&mut kernel, CONFIG)?;
        apply(&mut kernel, &wanted)?;
        let mut secure = Desired::fail_secure();
        of_namespace(&mut secure);
        let plan = apply(&mut kernel, &secure)?;
        assert_eq!(plan.changes.first().map(Change::domain), Some(Domain::Forwarding));
        assert_nothing_to_do(&mut kernel, &secure)?;
        let observed = kernel.observe(&secure)?;
        assert!(!observed.forwarding_v4 && !observed.forwarding_v6);
        assert_eq!(observed.routes, []);
        assert!(observed.addresses.iter().all(|there| there.protocol != 21));
        apply(&mut kernel, &wanted)?;
        assert_nothing_to_do(&mut kernel, &wanted)
    })
}

#[test]
fn nft_s_words_are_kept() -> Outcome {
    in_namespace("nft_s_words_are_kept", || {
        let mut kernel = Kernel::open()?;
        let desired = desired(&mut kernel, CONFIG)?;
        let error =
            kernel.check_extra(&desired.firewall, "table inet t {\n chain c {\n  nonsense; }\n}\n", &[]);
        let words = error.expect_err("no such statement").to_string();
        assert!(words.starts_with("extra.nft:3:") && words.contains("syntax error"), "{words}");
        assert_eq!(kernel.observe(&desired)?.firewall, None);
        assert_eq!(kernel.rule_counts()?, []);
        apply(&mut kernel, &desired)?;
        let counts = kernel.rule_counts()?;
        assert!(counts.iter().any(|rule| rule.chain == "input" && rule.cause == "dropped-input"));
        assert!(counts.iter().any(|rule| rule.cause.starts_with("service ftp: ")));
        Ok(())
    })
}

/// Something of everything whose listing could change by itself, or be listed otherwise than sent.
const EXTRA: &str = r#"#!/usr/sbin/nft -f
# The office's own rules.
define bad = { 192.0.2.66, 192.0.2.67 }
table inet office {
    counter seen { }
    quota much { over 10 mbytes }
    set bad { type ipv4_addr; flags interval; elements = { 198.51.100.0/25, 203.0.113.9 } }
    set heard { type ipv4_addr; flags dynamic; timeout 1h; }
    set flood { type ipv4_addr; size 128; flags dynamic; }
    map where { type inet_service : verdict; elements = { 80 : drop, 25 : jump noted } }
    chain noted { counter name "seen"; }
    chain first {
        type filter hook prerouting priority raw; policy accept;
        ip saddr $bad counter drop comment "an office rule"
        ip saddr @bad drop
        iif "eth0" tcp dport { 445, 137-139, 22 } limit rate 5/minute drop
        iifname "eth1" tcp dport vmap @where
        ct state established,related accept
        update @heard { ip saddr }
        add @flood { ip saddr limit rate over 10/second } drop
        icmp type echo-request quota over 5 mbytes drop
        meta mark set ct mark
    }
}
table netdev early {
    chain in { type filter hook ingress device "eth1" priority 0; policy accept; ip protocol gre drop; }
}
table ip mark21 { }
"#;

#[test]
fn an_operator_s_tables_are_loaded_mended_and_removed() -> Outcome {
    in_namespace("an_operator_s_tables_are_loaded_mended_and_removed", || {
        let mut kernel = Kernel::open()?;
        let without = desired(&mut kernel, CONFIG)?;
        let devices: Vec<String> = kernel.machine()?.ports.into_iter().map(|port| port.device).collect();
        let before = kernel.observe(&without)?;
        let extra = kernel.check_extra(&without.firewall, EXTRA, &devices)?;
        assert_eq!(kernel.observe(&without)?, before, "trying it out touches nothing");
        let names: Vec<String> = extra.tables.names().map(ToString::to_string).collect();
        assert_eq!(names, ["inet office", "ip mark21", "netdev early"]);

        let wanted = without.clone().with_extra(Some(extra));
        let first = apply(&mut kernel, &wanted)?;
        let loads = |change: &Change| matches!(change, Change::Extra(ExtraChange::Load { .. }));
        assert_eq!(first.changes.iter().filter(|change| loads(change)).count(), 1);
        assert_nothing_to_do(&mut kernel, &wanted)?;
        run("nft add element inet office heard '{ 192.0.2.1 }'");
        run("ip link set lo up; ping -c 1 -W 1 127.0.0.1 >/dev/null || true");
        assert_nothing_to_do(&mut kernel, &wanted)?;
        for (command, expected) in [
            ("nft delete table inet office", "load extra.nft: table inet office differs"),
            ("nft flush chain inet office first", "load extra.nft: table inet office differs"),
            ("nft add rule inet office first accept", "load extra.nft: table inet office differs"),
            (
                "nft delete element inet office bad '{ 203.0.113.9 }'",
                "load extra.nft: table inet office differs",
            ),
            ("nft delete table ip mark21; nft delete table netdev early", "load extra.nft: 2 tables differ"),
            ("nft add table ip6 stranger", "remove the nft table ip6 stranger"),
        ] {
            run(command);
            let repair = apply(&mut kernel, &wanted)?;
            let words: Vec<String> = repair.changes.iter().map(ToString::to_string).collect();
            assert_eq!(words, [expected], "{command}");
            assert_nothing_to_do(&mut kernel, &wanted)?;
        }
        let removal = apply(&mut kernel, &without)?;
        let words: Vec<String> = removal.changes.iter().map(ToString::to_string).collect();
        assert_eq!(words, ["remove 3 nft tables that nobody asked for"]);
        assert_nothing_to_do(&mut kernel, &without)
    })
}

/// A file, and what is told of it.
const REFUSED: [(&str, &str); 11] = [
    ("flush ruleset\n", "extra.nft:1: it removes Mark21's own table"),
    ("table ip t { }\nflush ruleset\ntable ip u { }\n", "extra.nft:2: it removes Mark21's own table"),
    ("\ndelete table inet mark21\n", "extra.nft:2: it removes Mark21's own table"),
    ("flush table inet mark21\n", "extra.nft:1: it changes Mark21's own table"),
    ("table inet mark21 { chain mine { }; }\n", "extra.nft:1: it changes Mark21's own table"),
    ("# here\nadd rule inet mark21 input accept\n", "extra.nft:2: it changes Mark21's own table"),
    ("table ip t { }\ninclude \"/etc/hosts\"\n", "extra.nft:2: it may not include other files"),
    ("table ip t {\n  chain c { ip saddr 1.2.3.4 dorp; }\n}\n", "extra.nft:2:"),
    ("delete table ip t\n", "extra.nft:1:17-17: Error: No such file"),
    ("table ip t { chain c { iif \"eth9\" drop; }; }\n", "Interface does not exist"),
    ("binary \0 text", "extra.nft: it is no text"),
];

#[test]
fn a_file_that_touches_our_table_is_refused_with_its_line() -> Outcome {
    in_namespace("a_file_that_touches_our_table_is_refused_with_its_line", || {
        let mut kernel = Kernel::open()?;
        let wanted = desired(&mut kernel, CONFIG)?;
        let before = kernel.observe(&wanted)?;
        for (text, expected) in REFUSED {
            let error = kernel.check_extra(&wanted.firewall, text, &["eth0".to_owned()]);
            let error = error.expect_err(text);
            assert!(matches!(error, ExtraError::Refused(_)), "{text}: {error:?}");
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
        for harmless in ["", "# nothing\n", "table ip t { comment \"include me\"; }\n", "list ruleset\n"] {
            kernel.check_extra(&wanted.firewall, harmless, &[])?;
        }
        assert_eq!(kernel.observe(&wanted)?, before);
        Ok(())
    })
}
