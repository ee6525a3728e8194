//! The largest legal file, on a stack as small as a watchdog thread's.

use super::*;

const STACK: usize = 512 * 1024;

/// 256 services with 4096 real servers of two families, padded with comments to the last byte.
fn largest() -> String {
    let mut text = String::from(
        "schema = 1\n[[interface]]\nname='inside'\ndevice='eth0'\naddresses=['10.0.0.1/8','fd21::1/64']\n\
         [[interface]]\nname='outside'\ndevice='eth1'\naddresses=['192.0.2.1/24','2001:db8::1/64']\n",
    );
    let mut server = 0;
    for service in 0..limits::SERVICES {
        text += &format!(
            "[[service]]\nname='service-{service}'\nkind='tcp'\nport={}\naddresses=['192.0.2.1','2001:db8::1']\n",
            service + 1
        );
        for _ in 0..limits::REAL_SERVERS / limits::SERVICES {
            server += 1;
            let (high, low) = (server / 256, server % 256);
            text += &format!(
                "[[service.real_server]] # server {server} of {}, in rack {high}, the one with the green label\n\
                 addresses=['10.1.{high}.{low}','fd21::1:{server}']\nweight={low} # as of its memory\n",
                limits::REAL_SERVERS
            );
        }
    }
    let rest = limits::TEXT_BYTES - text.len();
    text + &"#".repeat(rest)
}

fn on_a_small_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(work).expect("a thread");
    thread.join().expect("the work is done without a panic")
}

#[test]
fn the_largest_legal_file_parses_on_half_a_mebibyte_of_stack() {
    let text = largest();
    assert_eq!(text.len(), limits::TEXT_BYTES);
    let parsed = on_a_small_stack(move || parse(&text));
    let Parsed { config, warnings } = parsed.unwrap_or_else(|findings| panic!("{findings}"));
    assert!(warnings.is_empty(), "{warnings}");
    assert_eq!(config.real_servers.len(), limits::REAL_SERVERS);
    let last = &config.services[limits::SERVICES - 1];
    assert_eq!(config.real_servers_of(last).len(), 16);
}

#[test]
fn a_file_with_tables_full_to_the_last_entry_fits_that_stack_too() {
    let mut text = String::from("schema = 1\n");
    for n in 0..limits::INTERFACES {
        text += &format!("[[interface]]\nname='i{n}'\ndevice='eth{n}'\naddresses=['10.{n}.0.1/16']\n");
    }
    for n in 0..limits::VIRTUAL_ROUTERS {
        let addresses: Vec<_> = (1..=limits::VIRTUAL_ROUTER_ADDRESSES)
            .map(|a| format!("'10.{}.{}.{a}/16'", n % 16, n + 1))
            .collect();
        text += &format!(
            "[[virtual_router]]\nname='v{n}'\ninterface='i{}'\nvrid={}\naddresses=[{}]\n",
            n % 16,
            n + 1,
            addresses.join(",")
        );
    }
    let ports: Vec<_> = (1..=limits::FLOW_PROTOCOLS).map(|port| format!("'tcp/{port}'")).collect();
    for _ in 0..limits::FLOWS {
        let ports = ports.join(",");
        text += &format!("[[allow]]\nfrom='i0'\nto='i1'\nprotocols=[{ports}]\n");
        text += &format!("[[egress]]\nfrom='i1'\nsnat='10.0.0.1'\nprotocols=[{ports}]\n");
    }
    let members: Vec<_> = (0..limits::SYNC_GROUP_MEMBERS).map(|n| format!("'v{n}'")).collect();
    text += &format!("[[sync_group]]\nname='all'\nmembers=[{}]\n", members.join(","));
    let parsed = on_a_small_stack(move || parse(&text));
    if let Err(findings) = parsed {
        panic!("{findings}");
    }
}

#[test]
fn deep_nesting_is_refused_on_that_stack() {
    let deep = 200_000;
    let cases = [
        ("arrays", format!("a = {}", "[".repeat(deep))),
        ("closed arrays", format!("a = {}{}", "[".repeat(deep), "]".repeat(deep))),
        ("inline tables", format!("a = {}", "{a=".repeat(deep))),
        ("dotted keys", format!("{}a = 1", "a.".repeat(deep))),
        ("table headers", format!("[{}a]", "a.".repeat(deep))),
        ("lists of tables", format!("[[{}a]]", "a.".repeat(deep))),
        ("arrays at the limit", format!("schema = {}1{}", "[".repeat(79), "]".repeat(79))),
        ("keys at the limit", format!("{}a = 1", "a.".repeat(60))),
    ];
    for (rule, text) in cases {
        assert!(on_a_small_stack(move || parse(&text).is_err()), "{rule}");
    }
}

#[test]
fn a_mebibyte_of_nonsense_is_refused() {
    let fill = |pattern: &str| pattern.repeat((limits::TEXT_BYTES - 11) / pattern.len());
    let number = |pattern: fn(usize) -> String| {
        let mut text = String::new();
        for n in 0.. {
            let line = pattern(n);
            if text.len() + line.len() > limits::TEXT_BYTES - 11 {
                return text;
            }
            text += &line;
        }
        text
    };
    let cases = [
        ("brackets", fill("]")),
        ("brackets that are never closed", fill("[")),
        ("lists in lists", format!("a = {}", fill("["))),
        ("braces", format!("a = {}", fill("{"))),
        ("lines of quotes", fill("\"\n")),
        ("equals signs", fill("=")),
        ("one key again and again", fill("a=1\n")),
        ("unknown keys", number(|n| format!("k{n}=1\n"))),
        ("empty services", fill("[[service]]\n")),
        ("interfaces with nothing below", fill("[[interface]]\nname='a'\n")),
        (
            "members of a group",
            format!("[[sync_group]]\nname='a'\nmembers=[{}]", number(|n| format!("'m{n}',"))),
        ),
        (
            "real servers",
            format!(
                "[[service]]\nname='a'\nkind='mark'\nmark=1\n{}",
                fill("[[service.real_server]]\naddresses=['10.0.0.1']\n")
            ),
        ),
        ("log lines", fill("Nov 22 17:00:00 director-a kernel: IPVS: ftp: loaded support on port[0] = 21\n")),
    ];
    for (rule, text) in cases {
        let mut text = format!("schema = 1\n{text}");
        text.truncate(limits::TEXT_BYTES);
        let start = std::time::Instant::now();
        assert!(on_a_small_stack(move || parse(&text).is_err()), "{rule}");
        std::println!("{rule}: {:?}", start.elapsed());
    }
}

#[test]
fn beyond_fifty_syntax_errors_the_rest_are_counted() {
    let lines = |count: usize| format!("schema = 1\n{}", "x\n".repeat(count));
    for (count, beyond) in [(1, 0), (50, 0), (51, 1), (500_000, 499_950)] {
        let Err(findings) = parse(&lines(count)) else { panic!("{count} wrong lines were taken") };
        let last = findings.listed().last().map(|finding| finding.line);
        assert_eq!(last, Some(1 + count.min(50)), "{count}");
        assert_eq!(findings.omitted(), beyond, "{count}");
    }
}
