//! Every table and field of the file, in words: the one source of the reference page, of the
//! "allowed" in findings, and of which keys a table takes and needs.
//!
//! The serde mirror is held against it by a test, so the two cannot drift.

mod reference;
mod tree;

use crate::limits;

pub use reference::reference;
pub(crate) use tree::key_of;

/// One table of the file.
#[derive(Clone, Copy, Debug)]
pub struct TableDoc {
    /// Keys with dots; empty for the top of the file.
    pub path: &'static str,
    /// How it is written.
    pub form: TableForm,
    /// What it is.
    pub what: &'static str,
    /// Its fields, tables below it left out.
    pub fields: &'static [FieldDoc],
}

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableForm {
    /// The top of the file.
    Top,
    /// `[name]`
    Single,
    /// `[[name]]`, at most so many.
    Many {
        /// How many fit.
        limit: usize,
    },
    /// `name = { .. }`
    Inline,
}

/// One field of a table.
#[derive(Clone, Copy, Debug)]
pub struct FieldDoc {
    /// The key.
    pub name: &'static str,
    /// What may stand there.
    pub values: &'static str,
    /// What holds when it is left out.
    pub absent: Absent,
    /// How many elements or bytes fit, where that is a limit of its own.
    pub limit: Option<usize>,
    /// What it means.
    pub what: &'static str,
}

/// How a field's value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `"text"`
    Text,
    /// `21` or `true`
    Bare,
    /// `["one", "two"]`
    List,
}

/// What holds when a field is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It may not be left out.
    Refused,
    /// This value holds.
    Means(&'static str),
    /// What the meaning says.
    Unset,
}

/// The field `name` of the table at `path`.
#[must_use]
pub fn field(path: &str, name: &str) -> Option<&'static FieldDoc> {
    table(path)?.fields.iter().find(|field| field.name == name)
}

/// The table at `path`.
#[must_use]
pub fn table(path: &str) -> Option<&'static TableDoc> {
    TABLES.iter().find(|table| table.path == path)
}

const ADDRESS: &str = r#"an address: "192.0.2.10" or "2001:db8::10""#;
const ADDRESSES: &str = r#"addresses: ["192.0.2.10", "2001:db8::10"]"#;
const LINK_ADDRESSES: &str = r#"addresses with prefix length: ["192.0.2.2/24", "2001:db8::2/64"]"#;
const PREFIXES: &str = r#"networks: ["192.0.2.0/24", "2001:db8::/32"]"#;
const PROTOCOLS: &str = r#"list of "tcp/PORTS", "udp/PORTS", "icmp"; PORTS is 53 or 8000-8080"#;
const NAME: &str = "letters, digits, `-`, `_`, `.`";
const INTERFACE: &str = "the name of an interface";
const PORT: &str = "1-65535";
const LONG: &str = r#""1s"-"744h", whole seconds"#;
const BOOLEAN: &str = "true, false";

const fn must(name: &'static str, values: &'static str, what: &'static str) -> FieldDoc {
    FieldDoc { name, values, absent: Absent::Refused, limit: None, what }
}

const fn may(name: &'static str, values: &'static str, what: &'static str) -> FieldDoc {
    FieldDoc { name, values, absent: Absent::Unset, limit: None, what }
}

impl FieldDoc {
    /// How its value is written.
    #[must_use]
    pub fn shape(&self) -> Shape {
        let values = self.values;
        if values.contains("[\"") || values.starts_with("list of") || values.starts_with("names of") {
            Shape::List
        } else if values == BOOLEAN || values.starts_with(|first: char| first.is_ascii_digit()) {
            Shape::Bare
        } else {
            Shape::Text
        }
    }

    /// The words that it takes, where it takes no others.
    pub fn words(&self) -> impl Iterator<Item = &'static str> + use<> {
        let values = self.values;
        let is_list = values.starts_with('"') && !values.contains(['-', '/']);
        let quoted = values.split('"').skip(1).step_by(2).filter(move |_| is_list);
        let truths = ["true", "false"].into_iter().filter(move |_| values == BOOLEAN);
        quoted.chain(truths)
    }

    const fn or(mut self, default: &'static str) -> Self {
        self.absent = Absent::Means(default);
        self
    }

    const fn at_most(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }
}

/// All tables, in the order of the reference; a table stands before those below it.
pub const TABLES: &[TableDoc] = &[
    TableDoc {
        path: "",
        form: TableForm::Top,
        what: "The file as a whole.",
        fields: &[must("schema", "1", "The version of this reference that the file is written for.")],
    },
    TableDoc {
        path: "system",
        form: TableForm::Single,
        what: "The box itself.",
        fields: &[
            may("hostname", "one DNS label: letters, digits, `-`", "Its name.")
                .or(r#""mark21""#)
                .at_most(limits::HOSTNAME_BYTES),
            may("password", r#"a hash as crypt(5) writes it: "$6$..", "$5$..""#, "The hash of the console's password; the console's command `password` makes it. Left out, the console asks for a new password before it opens.")
                .at_most(limits::PASSWORD_BYTES),
            may("name_servers", ADDRESSES, "Resolvers that the box asks.").or("[]").at_most(limits::SYSTEM_SERVERS),
        ],
    },
    TableDoc {
        path: "interface",
        form: TableForm::Many { limit: limits::INTERFACES },
        what: "A port of the box, or a VLAN or bond on top. Exactly one of `device`, `mac`, `pci`, `vlan` and \
               `bond` says which.",
        fields: &[
            must("name", NAME, "What the rest of the file calls it.").at_most(limits::NAME_BYTES),
            may("device", r#"a kernel name: "eth0""#, "The port with this name.").at_most(limits::DEVICE_BYTES),
            may("mac", r#""52:54:00:12:34:56""#, "The port with this permanent address."),
            may("pci", r#""0000:01:00.0""#, "The port in this slot."),
            may("addresses", LINK_ADDRESSES, "Addresses of this box alone; shared ones belong to a virtual router.")
                .or("[]")
                .at_most(limits::INTERFACE_ADDRESSES),
            may("mtu", "576-65535", "Bytes; at least 1280 with IPv6. Left out, the device keeps its own."),
            may("mss_clamp", BOOLEAN, "Clamp the MSS of forwarded TCP connections to the path's MTU.").or("false"),
        ],
    },
    TableDoc {
        path: "interface.vlan",
        form: TableForm::Inline,
        what: "A tagged network (IEEE 802.1Q) on another interface.",
        fields: &[
            must("interface", INTERFACE, "The interface below; itself no VLAN."),
            must("id", "1-4094", "The tag."),
        ],
    },
    TableDoc {
        path: "interface.bond",
        form: TableForm::Inline,
        what: "Several ports as one.",
        fields: &[
            must("mode", r#""802.3ad", "active-backup""#, "LACP, or one port at a time."),
            must("devices", r#"kernel names: ["eth0", "eth1"]"#, "The ports, which no other interface names.")
                .at_most(limits::BOND_PORTS),
        ],
    },
    TableDoc {
        path: "route",
        form: TableForm::Many { limit: limits::ROUTES },
        what: "A static route. `via`, `interface` alone, or `blackhole` says where it leads.",
        fields: &[
            must("to", r#""default" or a network: "10.0.0.0/8""#, "Where to. The default is that of the family of `via` or `source`."),
            may("via", ADDRESS, "The gateway, in a network of the box."),
            may("interface", INTERFACE, "The way out; needed where the gateway is link-local."),
            may("blackhole", BOOLEAN, "Drop what goes there.").or("false"),
            may("source", ADDRESS, "The box's own address that it prefers for this way."),
            may("metric", "0-4294967295", "The lower one wins."),
        ],
    },
    TableDoc {
        path: "virtual_router",
        form: TableForm::Many { limit: limits::VIRTUAL_ROUTERS },
        what: "VRRP (RFC 9568): addresses that the boxes share and one of them holds.",
        fields: &[
            must("name", NAME, "What the rest of the file calls it.").at_most(limits::NAME_BYTES),
            must("interface", INTERFACE, "Where it speaks and where the addresses are."),
            must("vrid", "1-255", "The same on all boxes; one per interface and family."),
            may("priority", "1-255", "The highest is Active.").or("100"),
            may("advertisement_interval", r#""10ms"-"40950ms", whole centiseconds"#, "How often the Active one speaks; the same on all boxes.").or(r#""1s""#),
            must("addresses", LINK_ADDRESSES, "All of one family; IPv6 starts with a link-local one.")
                .at_most(limits::VIRTUAL_ROUTER_ADDRESSES),
            may("preempt", BOOLEAN, "Take over from a router with a lower priority; a box that comes back does not know the sessions of the other.").or("false"),
            may("preempt_delay", r#""0s"-"1h""#, "Wait so long before that.").or(r#""0s""#),
            may("peers", ADDRESSES, "The other boxes; with them it speaks unicast and hears no one else.")
                .or("[]")
                .at_most(limits::VIRTUAL_ROUTER_PEERS),
        ],
    },
    TableDoc {
        path: "sync_group",
        form: TableForm::Many { limit: limits::SYNC_GROUPS },
        what: "Virtual routers that are Active or Backup together.",
        fields: &[
            must("name", NAME, "What status calls it.").at_most(limits::NAME_BYTES),
            must("members", "names of virtual routers", "Each is in one group at most.").at_most(limits::SYNC_GROUP_MEMBERS),
        ],
    },
    TableDoc {
        path: "sync",
        form: TableForm::Single,
        what: "IPVS connection synchronisation: connections survive a failover.",
        fields: &[
            must("interface", INTERFACE, "Where it speaks."),
            may("id", "0-255", "The same on both boxes.").or("21"),
            must("peer", ADDRESS, "The other box; only from there it is accepted."),
        ],
    },
    TableDoc {
        path: "egress",
        form: TableForm::Many { limit: limits::FLOWS },
        what: "What real servers may open outwards, with their address translated. Nothing by default.",
        fields: &[
            must("from", INTERFACE, "The interface on whose side the real servers stand."),
            may("to", PREFIXES, "Where to; empty is anywhere.").or("[]").at_most(limits::PREFIXES),
            must("protocols", PROTOCOLS, "What.").at_most(limits::FLOW_PROTOCOLS),
            must("snat", ADDRESS, "The source address it leaves with: one of the box's, best a shared one."),
        ],
    },
    TableDoc {
        path: "allow",
        form: TableForm::Many { limit: limits::FLOWS },
        what: "What is forwarded as it is. Nothing by default.",
        fields: &[
            must("from", INTERFACE, "Where it comes in."),
            must("to", INTERFACE, "Where it goes out."),
            may("sources", PREFIXES, "From which networks; empty is any.").or("[]").at_most(limits::PREFIXES),
            may("destinations", PREFIXES, "To which networks; empty is any.").or("[]").at_most(limits::PREFIXES),
            must("protocols", PROTOCOLS, "What.").at_most(limits::FLOW_PROTOCOLS),
        ],
    },
    TableDoc {
        path: "timeouts",
        form: TableForm::Single,
        what: "How long IPVS keeps an idle connection.",
        fields: &[
            may("tcp", LONG, "Established TCP. FTP control channels idle while data flows, and longer.").or(r#""24h""#),
            may("tcp_fin", LONG, "TCP after a FIN.").or(r#""120s""#),
            may("udp", LONG, "UDP.").or(r#""300s""#),
        ],
    },
    TableDoc {
        path: "management",
        form: TableForm::Single,
        what: "The way in from outside: ssh, by key, as the user `admin`. A session is the console; `busctl --host admin@ADDRESS` reaches the D-Bus interface. Without this table nothing listens.",
        fields: &[
            must("interface", INTERFACE, "Where it listens, port 22, on the interface's own addresses. Not where clients of a service come in."),
            must("allow", PREFIXES, "From where it is let in.").at_most(limits::PREFIXES),
            must("authorized_keys", r#"lines of OpenSSH's form: ["ssh-ed25519 AAAA.. name"]"#, "Who may log in; each may change everything. A session ends when its key is taken away.")
                .at_most(limits::SSH_KEYS),
        ],
    },
    TableDoc {
        path: "time",
        form: TableForm::Single,
        what: "The clock.",
        fields: &[
            may("servers", ADDRESSES, "NTP servers. A clock that is behind is set once at the start, and then only slewed; without servers it is left alone.").or("[]").at_most(limits::SYSTEM_SERVERS),
        ],
    },
    TableDoc {
        path: "syslog",
        form: TableForm::Many { limit: limits::SYSLOG_SERVERS },
        what: "Where the log goes (RFC 5424): mark21d's lines and the kernel's, from the start of the box on, and again after a connection broke.",
        fields: &[
            must("address", ADDRESS, "The server."),
            may("protocol", r#""udp", "tcp""#, "One datagram a line, or a stream with octet counting (RFC 6587).").or(r#""udp""#),
            may("port", PORT, "The server's port.").or("514"),
        ],
    },
    TableDoc {
        path: "service",
        form: TableForm::Many { limit: limits::SERVICES },
        what: "What clients connect to. `kind` says which of the fields below it has.",
        fields: &[
            must("name", NAME, "What status and commands call it.").at_most(limits::NAME_BYTES),
            must("kind", r#""ftp", "tcp", "udp", "mark""#, "FTP with all its connections; one TCP or UDP port; or whatever `extra.nft` marks."),
            may("addresses", ADDRESSES, "The virtual addresses, of an interface or a virtual router. Not for `mark`.")
                .at_most(limits::SERVICE_ADDRESSES),
            may("port", PORT, "The virtual port; the control port for `ftp`. Not for `mark`; needed for `tcp` and `udp`.").or("21 for `ftp`"),
            may("mark", "1-4294967295", "The firewall mark, one service each. `ftp` and `mark`; needed for `mark`.").or("21 for `ftp`"),
            may("passive", r#""rewrite", "server""#, "`ftp`: who puts the virtual address into the reply to PASV: the director (`ip_vs_ftp`), or the FTP server itself (FTPS; sessions that survive a failover).").or(r#""rewrite""#),
            may("passive_ports", r#"ports from 1024 on: "10000-20000""#, "`ftp`: where passive data connections go; the servers must be told the same.").or(r#""10000-20000""#),
            may("active", r#""snat", "masquerade""#, "`ftp`: active data connections come from the virtual address, or from the director's own one as the older manuals have it; with `rewrite` the helper takes the virtual address.").or(r#""snat""#),
            may("tls", r#""off", "allowed", "required""#, "`ftp`: what the servers do about explicit TLS (RFC 4217).").or(r#""off""#),
            may("scheduler", r#""rr", "wrr", "lc", "wlc", "sh", "dh", "sed", "nq", "mh""#, "How a server is chosen.").or(r#""wlc""#),
            may("persistence", r#""off" or "1s"-"744h", whole seconds"#, "A client stays with its server for so long.").or(r#""10m" for `ftp`, else "off""#),
            may("forwarding", r#""masquerade", "direct", "tunnel""#, "How packets reach the servers: NAT, direct routing, IP in IP.").or(r#""masquerade""#),
        ],
    },
    TableDoc {
        path: "service.real_server",
        form: TableForm::Many { limit: limits::REAL_SERVERS },
        what: "A machine that does the work. The limit is for all services together.",
        fields: &[
            must("addresses", r#"one address or one of each family: ["10.0.0.11", "fd21::11"]"#, "Its addresses.").at_most(2),
            may("port", PORT, "The port on the server, for `tcp` and `udp`. Left out, the one that the client asked for."),
            may("weight", "0-65535", "Its share; 0 takes no new connections.").or("1"),
        ],
    },
    TableDoc {
        path: "service.check",
        form: TableForm::Single,
        what: "How real servers are asked whether they work. An `ftp` and a `tcp` service have it without being told.",
        fields: &[
            must("kind", r#""ftp", "tcp", "off""#, "The greeting 220; an accepted connection; no check."),
            may("port", PORT, "The port that is asked; needed for `udp` and `mark`. Left out, the one that the service's traffic goes to."),
            may("interval", r#""100ms"-"1h""#, "From one attempt to the next.").or(r#""2s""#),
            may("timeout", r#""100ms"-"60s", not longer than the interval"#, "How long one attempt may take.").or(r#""2s", or the interval where that is shorter"#),
            may("down_after", "1-10", "So many failures in a row take a server out.").or("3"),
            may("up_after", "1-10", "So many successes in a row bring it back.").or("2"),
        ],
    },
];

#[cfg(test)]
#[path = "fields/tests.rs"]
pub(crate) mod tests;
