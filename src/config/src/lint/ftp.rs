//! The two recipes of FTP, and the ports of its data connections.
//!
//! What the kernel does in each case was measured; the rules refuse what was seen to hang, to leak
//! an inside address, or to hand a client another server's data.

use core::net::IpAddr;

use super::service::shared_address;
use super::{Subject, at, pairs};
use crate::finding::Log;
use crate::limits;
use crate::model::{ActiveSource, Forwarding, Passive, RealServer, ServiceKind, Tls};

/// The helper binds to a control port of the whole box. With both recipes on it, it would take the
/// virtual address in the server's reply for the server's own, and plain PASV hangs.
pub(super) fn both_recipes_on_one_port(subject: &Subject<'_>, log: &mut Log) {
    for ((earlier, first, _), (_, second, entry)) in pairs(subject.ftp_services()) {
        if first.port == second.port && first.passive != second.passive {
            log.error(
                at(&entry.service.get_ref().passive, entry),
                format_args!(
                    "service {:?} has passive = \"{}\" on control port {}; the helper would act on every address of \
                     that port, and PASV would hang",
                    earlier.name, first.passive, first.port
                ),
            )
            .mend("give both services the same recipe, or different control ports");
        }
    }
}

/// The helper module takes eight ports.
pub(super) fn too_many_helper_ports(subject: &Subject<'_>, log: &mut Log) {
    let mut ports: heapless::Vec<u16, { limits::HELPER_PORTS }> = heapless::Vec::new();
    for (_, ftp, entry) in subject.ftp_services() {
        if ftp.passive == Passive::Rewrite && !ports.contains(&ftp.port) && ports.push(ftp.port).is_err() {
            log.error(
                at(&entry.service.get_ref().port, entry),
                format_args!(
                    "the helper is loaded for {} control ports already, the kernel's module takes no more",
                    limits::HELPER_PORTS
                ),
            )
            .mend("use a control port that is in use on another address, or passive = \"server\"");
        }
    }
}

/// The helper sees replies only where they come back through the director.
pub(super) fn helper_without_masquerading(subject: &Subject<'_>, log: &mut Log) {
    for (service, ftp, entry) in subject.ftp_services() {
        if ftp.passive == Passive::Rewrite && service.forwarding != Forwarding::Masquerade {
            log.error(
                at(&entry.service.get_ref().forwarding, entry),
                format_args!(
                    "the helper rewrites replies that pass the director, and with \"{}\" they do not",
                    service.forwarding
                ),
            )
            .mend("use forwarding = \"masquerade\", or passive = \"server\"");
        }
    }
}

/// The helper cannot read TLS.
pub(super) fn helper_with_tls(subject: &Subject<'_>, log: &mut Log) {
    for (_, ftp, entry) in subject.ftp_services() {
        let span = at(&entry.service.get_ref().tls, entry);
        match (ftp.passive, ftp.tls) {
            (Passive::Rewrite, Tls::Required) => {
                log.error(span, "the helper cannot read TLS, so no client could use PASV")
                    .mend("use passive = \"server\", and let the servers announce the virtual address");
            }
            (Passive::Rewrite, Tls::Allowed) => {
                log.warning(
                    span,
                    "the helper cannot read TLS: a client that turns it on cannot use PASV, only EPSV",
                )
                .mend("use passive = \"server\", and let the servers announce the virtual address");
            }
            (Passive::Rewrite, Tls::Off) | (Passive::Server, _) => {}
        }
    }
}

/// The helper gives the active data connections that it knows the virtual address, before any rule of
/// nft is asked. What it cannot read, or does not expect, is left to `active`.
pub(super) fn helper_with_active_masquerade(subject: &Subject<'_>, log: &mut Log) {
    for (_, ftp, entry) in subject.ftp_services() {
        if ftp.passive == Passive::Rewrite && ftp.active == ActiveSource::Masquerade {
            log.warning(
                at(&entry.service.get_ref().active, entry),
                format_args!(
                    "the helper itself sends active data connections from the virtual address, so this changes only \
                     those that it does not know: with TLS, or from another server port than {}",
                    ftp.port.saturating_sub(1)
                ),
            )
            .mend("leave it out, or use passive = \"server\" where all must come from the director's own address");
        }
    }
}

/// Without persistence a data connection may reach another server than its control connection. Where
/// the servers announce the address, always; with the helper, when a client has sessions with two
/// servers that open the same port for it: the later entry in IPVS is taken for the earlier one. The
/// file gives all servers of a service one range.
pub(super) fn not_persistent(subject: &Subject<'_>, log: &mut Log) {
    for (service, ftp, entry) in subject.ftp_services() {
        let servers = subject.config.real_servers_of(service);
        let several =
            |is: fn(&IpAddr) -> bool| servers.iter().flat_map(RealServer::addresses).filter(is).count() > 1;
        let why = match ftp.passive {
            _ if service.persistence.is_some() => continue,
            Passive::Server => {
                "only persistence leads a passive data connection to the server that waits for it"
            }
            Passive::Rewrite if several(IpAddr::is_ipv4) || several(IpAddr::is_ipv6) => {
                "a client with sessions on two servers that open the same passive port would silently get the \
                 other one's data"
            }
            Passive::Rewrite => continue,
        };
        log.error(at(&entry.service.get_ref().persistence, entry), why)
            .mend("leave it out (10 minutes), or give a time longer than a pause between two transfers");
    }
}

/// Ports below 1024 belong to services of the box and of others.
pub(super) fn passive_range_below_1024(subject: &Subject<'_>, log: &mut Log) {
    for (_, ftp, entry) in subject.ftp_services() {
        if ftp.passive_ports.first < 1024 {
            log.error(
                at(&entry.service.get_ref().passive_ports, entry),
                "ports below 1024 are those of well-known services, and FTP servers cannot open them",
            )
            .allowed_by_reference()
            .mend("let the range begin at 1024 or above");
        }
    }
}

/// A data connection would carry one service's mark and belong to the other.
pub(super) fn passive_ranges_overlap(subject: &Subject<'_>, log: &mut Log) {
    for ((earlier, first, _), (later, second, entry)) in pairs(subject.ftp_services()) {
        if let Some(shared) = shared_address(earlier, later)
            && first.passive_ports.overlaps(&second.passive_ports)
        {
            log.error(
                at(&entry.service.get_ref().passive_ports, entry),
                format_args!(
                    "service {:?} has passive ports {} on {shared} too; a data connection could be either's",
                    earlier.name, first.passive_ports
                ),
            )
            .mend("give each service a range of its own, and its servers the same");
        }
    }
}

/// A range that swallows a TCP service, or the FTP service's own control port.
pub(super) fn passive_range_holds_a_service(subject: &Subject<'_>, log: &mut Log) {
    for (service, ftp, entry) in subject.ftp_services() {
        for (other, _) in subject.services() {
            let port = match &other.kind {
                ServiceKind::Ftp(ftp) => ftp.port,
                ServiceKind::Tcp { port } => *port,
                ServiceKind::Udp { .. } | ServiceKind::Mark { .. } => continue,
            };
            if let Some(shared) = shared_address(service, other)
                && ftp.passive_ports.contains(port)
            {
                log.error(
                    at(&entry.service.get_ref().passive_ports, entry),
                    format_args!(
                        "{} holds port {port} of service {:?} on {shared}",
                        ftp.passive_ports, other.name
                    ),
                )
                .mend("choose a range without it");
            }
        }
    }
}
