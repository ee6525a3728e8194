//! How many rules a packet of an established data connection meets: Mark21's own, and those of a
//! set that a person writes for the same protection.
//!
//! Counted in the kernel: of each chain the rules up to the one whose counter a download moved, or
//! all where none accepts. What accepts without a counter gets one for the time. Chains of type nat
//! see the first packet alone.

use anyhow::{Context, ensure};
use mark21_lab::ftp::{Client, Mode};
use mark21_lab::tools::ipvsadm;
use mark21_lab::topology::{client_address, virtual_ftp};
use mark21_lab::vsftpd::Settings;
use mark21_lab::{Boot, Director, Lab, Result};
use serde_json::{Value, json};

use crate::figures::line;
use crate::ftp::set_up_by_hand;

/// Both families, dropping what nobody asked for, and a guard that lets no inside address out.
const RULES: &str = "\
table inet hand {
    set ftp { type inet_service; flags interval; elements = { 21, 10000-20000 } }
    chain early {
        type filter hook prerouting priority mangle;
        ip daddr 198.51.100.21 tcp dport @ftp meta mark set 21
        ip6 daddr 2001:db8:1::21 tcp dport @ftp meta mark set 21
    }
    chain in {
        type filter hook input priority filter; policy drop;
        meta mark 21 counter accept
        iifname lo counter accept
        ct state established,related counter accept
        meta l4proto { icmp, ipv6-icmp } counter accept
    }
    chain through {
        type filter hook forward priority filter; policy drop;
        ip saddr 10.21.0.0/24 tcp sport { 20, 21, 10000-20000 } counter accept
        ip6 saddr fd21::/64 tcp sport { 20, 21, 10000-20000 } counter accept
        ct state established,related counter accept
    }
    chain leak {
        type filter hook forward priority 110;
        ip saddr 10.21.0.0/24 tcp sport != 20 counter drop
        ip6 saddr fd21::/64 tcp sport != 20 counter drop
    }
    chain out {
        type filter hook output priority filter; policy drop;
        meta mark 21 counter accept
        oifname lo counter accept
        ct state established,related counter accept
        meta l4proto { icmp, ipv6-icmp } counter accept
    }
    chain late {
        type nat hook postrouting priority srcnat;
        ip saddr 10.21.0.0/24 tcp sport 20 snat ip to 198.51.100.21
    }
}
";
/// A download of 20 MB comes in segments of at most 64 kB; so many packets it has each way at
/// least, and the control connection fewer.
const MANY: u64 = 60;

pub(crate) fn bench(lab: &mut Lab) -> Result {
    let boot = Boot::with_file("single.toml")?;
    let mut director = lab.boot(&Boot { tools: vec![ipvsadm()], watchdog: false, ..boot })?;
    director.wait_serving()?;
    let lines = Some(director.server_config("ftp")?);
    lab.start_ftp_servers(&Settings { lines, ..Settings::default() })?;
    director.tool("ipvsadm -Sn")?;
    director.write("/run/hand.nft", RULES)?;
    director.root("kill -STOP $(pidof mark21d)")?;
    let own = count(lab, &mut director)?;
    set_up_by_hand(&mut director)?;
    let by_hand = count(lab, &mut director)?;
    for (way, own, by_hand) in
        [("to the server", own.inwards, by_hand.inwards), ("to the client", own.outwards, by_hand.outwards)]
    {
        line(&format!("rules for a packet {way}: mark21, by hand"), &format!("{own}, {by_hand}"));
    }
    Ok(())
}

/// Rules by the way of the packet.
#[derive(Default)]
struct Rules {
    inwards: usize,
    outwards: usize,
}

fn count(lab: &Lab, director: &mut Director) -> Result<Rules> {
    let counting: Vec<Value> = listing(director)?.iter().filter_map(counted).collect();
    director.write("/run/counting.json", &json!({ "nftables": counting }).to_string())?;
    director.root("nft -j -f /run/counting.json")?;
    let before = listing(director)?;
    lab.client.enter(|| {
        let mut session = Client::log_in(client_address(1), virtual_ftp())?;
        session.retrieve(Mode::Pasv, "big.bin")?;
        session.quit()
    })?;
    traversed(&before, &listing(director)?)
}

/// How a rule that accepts without a counter gets one.
fn counted(object: &Value) -> Option<Value> {
    let mut rule = object.get("rule")?.clone();
    let statements = rule.get_mut("expr")?.as_array_mut()?;
    let last = statements.len().checked_sub(1)?;
    let has = |kind| statements.iter().any(|statement| statement.get(kind).is_some());
    if has("counter") || !has("accept") {
        return None;
    }
    statements.insert(last, json!({ "counter": null }));
    Some(json!({ "replace": { "rule": rule } }))
}

fn listing(director: &mut Director) -> Result<Vec<Value>> {
    let mut listing: Value = serde_json::from_str(&director.root("nft -j list ruleset")?)?;
    let objects = listing.get_mut("nftables").and_then(Value::as_array_mut).context("no listing")?;
    Ok(std::mem::take(objects))
}

fn traversed(before: &[Value], after: &[Value]) -> Result<Rules> {
    let mut rules = Rules::default();
    for chain in after.iter().filter_map(|object| object.get("chain")) {
        let hook = chain["hook"].as_str().unwrap_or_default();
        if hook.is_empty() || chain["type"] == "nat" {
            continue;
        }
        let of = |objects: &[Value]| -> Vec<u64> {
            let own = objects.iter().filter_map(|object| object.get("rule"));
            own.filter(|rule| rule["chain"] == chain["name"]).map(packets).collect()
        };
        let (was, is) = (of(before), of(after));
        let moved = was.iter().zip(&is).position(|(was, is)| is.saturating_sub(*was) >= MANY);
        let why = || format!("nothing accepted it in {chain}: counters {was:?}, then {is:?}");
        ensure!(moved.is_some() || chain["policy"] != "drop", why());
        let met = moved.map_or(is.len(), |position| position + 1);
        if matches!(hook, "prerouting" | "input" | "output" | "postrouting") {
            rules.inwards += met;
        }
        if matches!(hook, "prerouting" | "forward" | "postrouting") {
            rules.outwards += met;
        }
    }
    Ok(rules)
}

/// What the rule's counter says; 0 where it has none.
fn packets(rule: &Value) -> u64 {
    let statements = rule["expr"].as_array().into_iter().flatten();
    statements.filter_map(|statement| statement["counter"]["packets"].as_u64()).sum()
}
