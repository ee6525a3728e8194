//! Two directors on the same wires, and who of them has the virtual addresses.

use std::net::IpAddr;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::director::{BOOT, Boot, Director};
use crate::topology::{Lab, Segment, VIRTUAL, VIRTUAL6};
use crate::{Result, eventually};

/// What `tests/configs/pair-*.toml` share, as `ip -o address` prints them.
const ADDRESSES: [&str; 6] = [
    " 198.51.100.21/24 ",
    " 10.21.0.1/24 ",
    " fe80::21/64 ",
    " 2001:db8:1::21/64 ",
    " fe80::1/64 ",
    " fd21::1/64 ",
];
/// Virtual routers in `tests/configs/pair-*.toml`.
const ROUTERS: usize = 4;

/// One of two directors, with what starts it.
#[derive(Debug)]
pub struct Member {
    /// What starts it.
    pub boot: Boot,
    /// The machine.
    pub director: Director,
}

/// Where all virtual routers of a director are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// They have the addresses.
    Active,
    /// They wait.
    Backup,
}

impl Member {
    /// The role of all its virtual routers, by its status.
    ///
    /// # Errors
    /// When they are not all in the same one.
    pub fn role(&mut self) -> Result<Role> {
        let status = self.director.status()?;
        let routers = status.get("virtual_routers").and_then(Value::as_array).map(Vec::as_slice);
        let states = routers.unwrap_or_default().iter().map(|router| router["state"].as_str());
        let states: Vec<&str> = states.flatten().collect();
        ensure!(states.len() == ROUTERS, "{}: {ROUTERS} virtual routers are wanted: {status}", self.name());
        match states.first() {
            Some(&"active") if states.iter().all(|state| *state == "active") => Ok(Role::Active),
            Some(&"backup") if states.iter().all(|state| *state == "backup") => Ok(Role::Backup),
            _ => bail!("{}: {states:?}", self.name()),
        }
    }

    /// Does it have all of the virtual addresses (or none)? By the kernel, asked as root.
    ///
    /// # Errors
    /// When it has some of them only.
    pub fn has_addresses(&mut self) -> Result<bool> {
        let list = self.director.root("/bin/ip -o address show || ip -o address show")?;
        let found: Vec<_> = ADDRESSES.into_iter().filter(|address| list.contains(address)).collect();
        ensure!(
            found.is_empty() || found.len() == ADDRESSES.len(),
            "{} has {found:?} only, of {list}",
            self.name()
        );
        Ok(!found.is_empty())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.boot.name
    }
}

/// Boot both; `change` works on their configurations. Gives the Active one first.
///
/// Where they preempt, that is dir-a, which has the greater priority: dir-b may have been Active
/// alone until dir-a came, and dir-a Backup until its Active_Down_Timer ran out.
///
/// # Errors
/// When one does not serve, or not exactly one becomes Active for all.
pub fn boot_pair(lab: &Lab, change: impl Fn(Boot) -> Boot) -> Result<[Member; 2]> {
    let boot = |name: &str, number| -> Result<Member> {
        let boot = Boot::with_file(&format!("pair-{}.toml", name.trim_start_matches("dir-")))?;
        let boot = change(Boot { name: name.to_owned(), number, ..boot });
        let director = lab.boot(&boot)?;
        Ok(Member { boot, director })
    };
    let (mut one, mut two) = (boot("dir-a", 1)?, boot("dir-b", 2)?);
    one.director.wait_serving()?;
    two.director.wait_serving()?;
    let preempts = one.boot.configuration.as_ref().is_some_and(|text| text.contains("\npreempt = true\n"));
    let first = eventually("exactly one Active, for good", BOOT, || {
        let roles = [one.role()?, two.role()?];
        ensure!(roles[0] != roles[1], "both are {:?}", roles[0]);
        ensure!(!preempts || roles[0] == Role::Active, "dir-b has the role still");
        // They were asked one after the other.
        ensure!(one.role()? == roles[0], "the roles are moving");
        Ok(roles[0])
    })?;
    Ok(if first == Role::Active { [one, two] } else { [two, one] })
}

/// Who sent advertisements for the virtual address outside, in order, each as often as it
/// began: `["198.51.100.2", "198.51.100.3"]` is one takeover. A resignation is not one.
///
/// # Errors
/// When the capture cannot be read.
pub fn reigns(lab: &Lab) -> Result<Vec<String>> {
    let mut senders = Vec::new();
    for line in lab.captured(Segment::Outside, "ip proto 112")? {
        let sender = line.split(" IP ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let sender = sender.with_context(|| format!("no advertisement: {line}"))?;
        if !line.contains("prio 0,") {
            senders.push(sender.to_owned());
        }
    }
    senders.dedup();
    Ok(senders)
}

/// Does this director know the connections of `client` to the virtual address of its family,
/// as IPVS has them? At least `count`, established.
///
/// # Errors
/// When it does not.
pub fn knows_connections(member: &mut Member, client: IpAddr, count: usize) -> Result {
    let list = member.director.root("cat /proc/net/ip_vs_conn")?;
    let from = format!("TCP {} ", in_proc(client));
    let to = format!(" {} ", in_proc(if client.is_ipv4() { VIRTUAL.into() } else { VIRTUAL6.into() }));
    let known = list
        .lines()
        .filter(|line| line.starts_with(&from) && line.contains(&to) && line.contains("ESTABLISHED"));
    let known = known.count();
    ensure!(known >= count, "{} knows {known} of {count} connections of {client}:\n{list}", member.name());
    Ok(())
}

/// As /proc/net/ip_vs_conn prints an address: eight digits, or eight groups of four.
fn in_proc(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => format!("{:08X}", u32::from(v4)),
        IpAddr::V6(v6) => v6.segments().map(|segment| format!("{segment:04x}")).join(":"),
    }
}
