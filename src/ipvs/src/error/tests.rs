use std::error::Error;

use super::*;
use crate::{ForwardingMethod, RealServer, Timeouts};

/// What each of the kernel's numbers means for each kind of request, in words.
#[test]
fn a_refusal_names_its_object() {
    let service = VirtualService::new(ServiceId::tcp([192, 0, 2, 10], 21), Scheduler::WLC);
    let engine =
        VirtualService { persistence_engine: Some(PersistenceEngine::new("sip").expect("short")), ..service };
    let server = RealServer::new(RealServerId::new([10, 0, 0, 11], 21), ForwardingMethod::Masquerade);
    let six = RealServer { id: RealServerId::new([0x20; 16], 21), ..server };
    let daemon = SyncDaemon::new(SyncRole::Master, InterfaceName::new("eth1").expect("short"), 1);
    let id = service.id;
    for (request, errno, words) in [
        (Request::AddService(service), Errno::EXIST, "service tcp 192.0.2.10:21 exists already"),
        (Request::SetService(service), Errno::SRCH, "there is no service tcp 192.0.2.10:21"),
        (
            Request::AddService(service),
            Errno::NOENT,
            "service tcp 192.0.2.10:21: the kernel has no scheduler wlc (module ip_vs_wlc)",
        ),
        (
            Request::SetService(engine),
            Errno::NOENT,
            "service tcp 192.0.2.10:21: the kernel lacks scheduler wlc (module ip_vs_wlc) \
             or persistence engine sip (module ip_vs_pe_sip)",
        ),
        (
            Request::AddService(service),
            Errno::INVAL,
            "service tcp 192.0.2.10:21: the kernel takes its settings for invalid",
        ),
        (
            Request::AddService(service),
            Errno::AFNOSUPPORT,
            "service tcp 192.0.2.10:21: the kernel has no IPv4",
        ),
        (
            Request::AddService(service),
            Errno::NOMEM,
            "service tcp 192.0.2.10:21: refused by the kernel: Cannot allocate memory (os error 12)",
        ),
        (Request::DeleteService(id), Errno::SRCH, "there is no service tcp 192.0.2.10:21"),
        (Request::ZeroService(id), Errno::SRCH, "there is no service tcp 192.0.2.10:21"),
        (
            Request::AddRealServer(id, server),
            Errno::EXIST,
            "service tcp 192.0.2.10:21 has real server 10.0.0.11:21 already",
        ),
        (
            Request::SetRealServer(id, server),
            Errno::NOENT,
            "service tcp 192.0.2.10:21 has no real server 10.0.0.11:21",
        ),
        (
            Request::DeleteRealServer(id, server.id),
            Errno::SRCH,
            "real server 10.0.0.11:21: there is no service tcp 192.0.2.10:21",
        ),
        (
            Request::AddRealServer(id, server),
            Errno::RANGE,
            "real server 10.0.0.11:21 of service tcp 192.0.2.10:21: weight above 2147483647, \
             or lower threshold above the upper one",
        ),
        (
            Request::AddRealServer(id, server),
            Errno::INVAL,
            "service tcp 192.0.2.10:21: 10.0.0.11:21 can be no real server's address",
        ),
        (
            Request::AddRealServer(id, six),
            Errno::INVAL,
            "real server [2020:2020:2020:2020:2020:2020:2020:2020]:21 is of another family than \
             service tcp 192.0.2.10:21: only tunnels can do that, and not while a sync daemon runs",
        ),
        (Request::StartSyncDaemon(daemon), Errno::EXIST, "a master sync daemon runs already"),
        (Request::StartSyncDaemon(daemon), Errno::NODEV, "master sync daemon: there is no interface eth1"),
        (Request::StopSyncDaemon(SyncRole::Backup), Errno::SRCH, "no backup sync daemon runs"),
        (
            Request::SetTimeouts(Timeouts::default()),
            Errno::INVAL,
            "the kernel takes the timeouts for invalid",
        ),
        (Request::Flush, Errno::BUSY, "refused by the kernel: Device or resource busy (os error 16)"),
        (Request::ZeroAll, Errno::PERM, "IPVS obeys only root of the initial user namespace"),
    ] {
        let error = RequestError::of(&request, Failure::Errno(errno));
        assert_eq!(error.to_string(), words, "{request}");
    }
}

#[test]
fn a_lack_of_rights_is_the_links_error_whatever_was_asked() {
    let id = ServiceId::tcp([192, 0, 2, 10], 21);
    for request in [
        Request::DeleteService(id),
        Request::DeleteRealServer(id, RealServerId::new([10, 0, 0, 11], 21)),
        Request::StopSyncDaemon(SyncRole::Master),
        Request::SetTimeouts(Timeouts::default()),
    ] {
        let error = RequestError::of(&request, Failure::Errno(Errno::PERM));
        let cause = error.source().and_then(|cause| cause.downcast_ref::<LinkError>());
        assert!(matches!(cause, Some(LinkError::NotPermitted)), "{request}: {error:?}");
    }
}

#[test]
fn a_text_does_not_repeat_its_cause() {
    let service = ServiceId::tcp([192, 0, 2, 10], 21);
    let error = ServiceError::of_id(service, Failure::Value(ValueError::MaskForIpv6));
    assert_eq!(error.to_string(), "service tcp 192.0.2.10:21: impossible setting");
    let cause = error.source().map(ToString::to_string);
    assert_eq!(cause.as_deref(), Some("IPv6 takes a prefix length, not a mask"));
}
