//! What the FTP servers behind a service must carry, in the words of each server.
//!
//! The director does half of the work only: ports and addresses that the servers announce must
//! be those that it forwards. Everything else of a server's configuration is the operator's.

use std::fmt::Write as _;
use std::net::IpAddr;

use mark21_config::{Ftp, Passive, Service, ServiceKind, Tls};

/// The settings of one service for one FTP server program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServerConfig {
    /// `vsftpd`, `proftpd` or `pure-ftpd`.
    pub(crate) program: &'static str,
    /// Lines for its configuration file.
    pub(crate) text: String,
}

/// The settings for every known program; `None` when the service does not carry FTP.
pub(crate) fn of(service: &Service) -> Option<Vec<ServerConfig>> {
    let ServiceKind::Ftp(ftp) = &service.kind else { return None };
    let settings = Settings {
        ftp,
        announced: match ftp.passive {
            Passive::Rewrite => None,
            Passive::Server => service.addresses.iter().find(|address| address.is_ipv4()),
        },
        v4: service.addresses.iter().any(IpAddr::is_ipv4),
        v6: service.addresses.iter().any(IpAddr::is_ipv6),
    };
    Some(vec![
        ServerConfig { program: "vsftpd", text: settings.vsftpd() },
        ServerConfig { program: "proftpd", text: settings.proftpd() },
        ServerConfig { program: "pure-ftpd", text: settings.pure_ftpd() },
    ])
}

struct Settings<'a> {
    ftp: &'a Ftp,
    /// The address that the servers put into their reply to PASV; `None` leaves their own.
    announced: Option<&'a IpAddr>,
    v4: bool,
    v6: bool,
}

impl Settings<'_> {
    /// Active data connections come from the port below the control port (RFC 959 section 3.2),
    /// which is where `ip_vs_ftp` expects them.
    fn data_port(&self) -> u16 {
        self.ftp.port.saturating_sub(1)
    }

    fn vsftpd(&self) -> String {
        let mut text = String::new();
        // With listen_ipv6 and pasv_address vsftpd answers 227 with 0,0,0,0, so the two families
        // need an instance each then.
        let two_instances = self.v4 && self.v6 && self.announced.is_some();
        let family = match (self.v6, two_instances) {
            (true, false) => "listen=NO\nlisten_ipv6=YES",
            (_, true) | (false, _) => "listen=YES\nlisten_ipv6=NO",
        };
        line(&mut text, family);
        setting(&mut text, "listen_port", self.ftp.port);
        line(&mut text, "port_enable=YES\nconnect_from_port_20=YES");
        setting(&mut text, "ftp_data_port", self.data_port());
        line(&mut text, "pasv_enable=YES");
        setting(&mut text, "pasv_min_port", self.ftp.passive_ports.first);
        setting(&mut text, "pasv_max_port", self.ftp.passive_ports.last);
        if let Some(address) = self.announced {
            setting(&mut text, "pasv_address", address);
        }
        match self.ftp.tls {
            Tls::Off => line(&mut text, "ssl_enable=NO"),
            Tls::Allowed => {
                line(&mut text, "ssl_enable=YES\nforce_local_logins_ssl=NO\nforce_local_data_ssl=NO")
            }
            Tls::Required => {
                line(&mut text, "ssl_enable=YES\nforce_local_logins_ssl=YES\nforce_local_data_ssl=YES")
            }
        }
        if two_instances {
            line(
                &mut text,
                "# a second instance for IPv6: the same lines, but\n#   listen=NO\n#   listen_ipv6=YES\n#   \
                 listen_address6=<this server's IPv6 address>\n#   and no pasv_address",
            );
        }
        text
    }

    fn proftpd(&self) -> String {
        let mut text = String::new();
        let word = |text: &mut String, key: &str, value: &dyn std::fmt::Display| {
            line(text, &format!("{key} {value}"));
        };
        word(&mut text, "UseIPv6", &if self.v6 { "on" } else { "off" });
        word(&mut text, "Port", &self.ftp.port);
        let ports = self.ftp.passive_ports;
        word(&mut text, "PassivePorts", &format_args!("{} {}", ports.first, ports.last));
        if let Some(address) = self.announced {
            word(&mut text, "MasqueradeAddress", address);
        }
        // Without root it could not bind the data port below 1024.
        word(&mut text, "RootRevoke", &"off");
        match self.ftp.tls {
            Tls::Off => {}
            Tls::Allowed => line(&mut text, "TLSEngine on\nTLSRequired off"),
            Tls::Required => line(&mut text, "TLSEngine on\nTLSRequired on"),
        }
        text
    }

    fn pure_ftpd(&self) -> String {
        let mut text = String::new();
        line(&mut text, &format!("Bind ,{}", self.ftp.port));
        if !self.v6 {
            line(&mut text, "IPV4Only yes");
        }
        let ports = self.ftp.passive_ports;
        line(&mut text, &format!("PassivePortRange {} {}", ports.first, ports.last));
        if let Some(address) = self.announced {
            line(&mut text, &format!("ForcePassiveIP {address}"));
        }
        match self.ftp.tls {
            Tls::Off => line(&mut text, "TLS 0"),
            Tls::Allowed => line(&mut text, "TLS 1"),
            Tls::Required => line(&mut text, "TLS 2"),
        }
        text
    }
}

fn setting(text: &mut String, key: &str, value: impl std::fmt::Display) {
    line(text, &format!("{key}={value}"));
}

fn line(text: &mut String, line: &str) {
    // Writing into a String cannot fail.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(passive: &str, tls: &str) -> Vec<ServerConfig> {
        let text = format!(
            r#"
schema = 1
[system]
hostname = "director"
[[interface]]
name = "outside"
device = "eth0"
addresses = ["198.51.100.2/24", "198.51.100.21/24", "2001:db8:1::21/64"]
[[interface]]
name = "inside"
device = "eth1"
addresses = ["10.21.0.1/24", "fd21::1/64"]
[[service]]
name = "ftp"
kind = "ftp"
addresses = ["198.51.100.21", "2001:db8:1::21"]
port = 2121
passive = "{passive}"
passive_ports = "30000-30100"
tls = "{tls}"
[[service.real_server]]
addresses = ["10.21.0.11", "fd21::11"]
"#
        );
        let config = mark21_config::parse(&text).expect("a good configuration").config;
        of(&config.services[0]).expect("carries FTP")
    }

    #[test]
    fn the_servers_keep_their_own_address_where_the_director_rewrites() {
        for config in service("rewrite", "off") {
            assert!(!config.text.contains("198.51.100.21"), "{}: {}", config.program, config.text);
        }
    }

    #[test]
    fn the_servers_announce_the_virtual_address_where_nobody_rewrites() {
        for config in service("server", "required") {
            assert!(config.text.contains("198.51.100.21"), "{}: {}", config.program, config.text);
        }
    }

    #[test]
    fn the_data_port_is_the_one_below_the_control_port() {
        let vsftpd = &service("rewrite", "off")[0].text;
        assert!(vsftpd.contains("listen_port=2121\n") && vsftpd.contains("ftp_data_port=2120\n"), "{vsftpd}");
    }

    #[test]
    fn vsftpd_gets_an_instance_for_each_family_when_it_announces_an_address() {
        assert!(service("server", "off")[0].text.contains("listen=YES\nlisten_ipv6=NO\n"));
        assert!(service("rewrite", "off")[0].text.contains("listen=NO\nlisten_ipv6=YES\n"));
    }
}
