//! Plans against a real kernel, each in a network namespace of its own.
//!
//! Modules and IPVS are left out: they belong to the whole machine, and the scenarios in QEMU prove
//! them. A test starts itself anew within `unshare -n`.

use std::error::Error;
use std::process::Command;

use mark21_kernel::{Kernel, Watch};
use mark21_reconcile::{Change, Desired, Domain, Ipvs, Overrides, Plan, plan};

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
        kernel.check_firewall(&desired.firewall, Some("table inet extra { chain c { accept; }\n}"))?;
        let error =
            kernel.check_firewall(&desired.firewall, Some("table inet extra { chain c { nonsense; }\n}"));
        let error = error.expect_err("no such statement");
        let words = error.source().map(ToString::to_string).unwrap_or_default();
        assert!(words.contains("syntax error"), "{words}");
        assert_eq!(kernel.observe(&desired)?.firewall, None);
        assert_eq!(kernel.rule_counts()?, []);
        apply(&mut kernel, &desired)?;
        let counts = kernel.rule_counts()?;
        assert!(counts.iter().any(|rule| rule.chain == "input" && rule.cause == "dropped-input"));
        assert!(counts.iter().any(|rule| rule.cause.starts_with("service ftp: ")));
        Ok(())
    })
}
