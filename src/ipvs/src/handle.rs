//! The handle: one method for each thing that the kernel can be asked or told.

use std::fmt;
use std::time::Duration;

use crate::constants as k;
use crate::error::{
    ApplyError, Failure, LinkError, OpenError, RealServerError, ServiceError, SyncDaemonError, TimeoutsError,
};
use crate::link::Link;
use crate::wire::{self, Answer, DecodeError, Header, Question};
use crate::{
    Info, RealServer, RealServerEntry, RealServerId, Request, ServiceEntry, ServiceId, SyncDaemon, SyncRole,
    TableEntry, Timeouts, VirtualService, batch,
};

/// A link to the kernel's IPVS in the network namespace that it was opened in.
///
/// Blocking, without threads. Every call returns after the kernel answered or
/// after the timeout. One handle serves one caller at a time.
pub struct Ipvs {
    link: Link,
}

impl Ipvs {
    /// How long [`Ipvs::open`] lets the kernel take for an answer.
    ///
    /// The kernel answers within the call that asks; only a machine that is
    /// stuck reaches this.
    pub const TIMEOUT: Duration = Duration::from_secs(5);

    /// Opens a link.
    ///
    /// # Errors
    /// [`OpenError::FamilyMissing`] when the module `ip_vs` is not loaded. This
    /// crate does not load it.
    pub fn open() -> Result<Self, OpenError> {
        Self::open_with_timeout(Self::TIMEOUT)
    }

    /// Opens a link on which the kernel may take this long for an answer.
    ///
    /// # Errors
    /// As [`Ipvs::open`]; a timeout of 0 is refused as no socket can have it.
    pub fn open_with_timeout(timeout: Duration) -> Result<Self, OpenError> {
        Ok(Self { link: Link::open(timeout)? })
    }

    /// Does many requests in order, 64 KiB of them (about 500) in each system call.
    ///
    /// A request that is refused does not keep the following ones from being
    /// done: real servers of a service that was not added are refused too. This
    /// is not a transaction.
    ///
    /// ```no_run
    /// use ipvs::{ForwardingMethod, Ipvs, RealServer, RealServerId, Request, Scheduler, ServiceId, VirtualService};
    ///
    /// let id = ServiceId::tcp([192, 0, 2, 10], 80);
    /// let mut plan = vec![Request::AddService(VirtualService::new(id, Scheduler::WLC))];
    /// plan.extend((11..15).map(|host| {
    ///     let server = RealServerId::new([10, 0, 0, host], 80);
    ///     Request::AddRealServer(id, RealServer::new(server, ForwardingMethod::Masquerade))
    /// }));
    /// Ipvs::open()?.apply(&plan)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ApplyError::Refused`] names each request that did not happen.
    pub fn apply(&mut self, requests: &[Request]) -> Result<(), ApplyError> {
        batch::apply(&mut self.link, requests)
    }

    /// Adds a virtual service.
    ///
    /// # Errors
    /// [`ServiceError::Exists`], [`ServiceError::SchedulerMissing`] and others.
    pub fn add_service(&mut self, service: &VirtualService) -> Result<(), ServiceError> {
        self.tell(&Request::AddService(*service)).map_err(|f| ServiceError::of_settings(service, f))
    }

    /// Gives a virtual service these settings; its real servers and connections stay.
    ///
    /// # Errors
    /// [`ServiceError::Missing`], [`ServiceError::SchedulerMissing`] and others.
    pub fn set_service(&mut self, service: &VirtualService) -> Result<(), ServiceError> {
        self.tell(&Request::SetService(*service)).map_err(|f| ServiceError::of_settings(service, f))
    }

    /// Deletes a virtual service with its real servers.
    ///
    /// # Errors
    /// [`ServiceError::Missing`] and others.
    pub fn delete_service(&mut self, id: &ServiceId) -> Result<(), ServiceError> {
        self.tell(&Request::DeleteService(*id)).map_err(|f| ServiceError::of_id(*id, f))
    }

    /// Reads one virtual service.
    ///
    /// # Errors
    /// [`ServiceError::Missing`] and others.
    pub fn service(&mut self, id: &ServiceId) -> Result<ServiceEntry, ServiceError> {
        self.ask(&Question::Service(*id), k::IPVS_CMD_NEW_SERVICE, wire::decode_service)
            .map_err(|f| ServiceError::of_id(*id, f))
    }

    /// Reads all virtual services, in the order of the kernel's hash tables.
    ///
    /// # Errors
    /// When the link breaks.
    pub fn services(&mut self) -> Result<Vec<ServiceEntry>, LinkError> {
        let mut services = Vec::new();
        self.dump(&Question::Services, k::IPVS_CMD_NEW_SERVICE, |attributes| {
            services.push(wire::decode_service(attributes)?);
            Ok(())
        })?;
        Ok(services)
    }

    /// Adds a real server to a service.
    ///
    /// # Errors
    /// [`RealServerError::Exists`], [`RealServerError::ServiceMissing`],
    /// [`RealServerError::OutOfRange`] and others.
    pub fn add_real_server(&mut self, id: &ServiceId, server: &RealServer) -> Result<(), RealServerError> {
        self.tell(&Request::AddRealServer(*id, *server)).map_err(|f| RealServerError::of(*id, server.id, f))
    }

    /// Gives a real server these settings.
    ///
    /// # Errors
    /// [`RealServerError::Missing`], [`RealServerError::ServiceMissing`],
    /// [`RealServerError::OutOfRange`] and others.
    pub fn set_real_server(&mut self, id: &ServiceId, server: &RealServer) -> Result<(), RealServerError> {
        self.tell(&Request::SetRealServer(*id, *server)).map_err(|f| RealServerError::of(*id, server.id, f))
    }

    /// Deletes a real server from a service.
    ///
    /// # Errors
    /// [`RealServerError::Missing`], [`RealServerError::ServiceMissing`] and others.
    pub fn delete_real_server(
        &mut self,
        id: &ServiceId,
        server: &RealServerId,
    ) -> Result<(), RealServerError> {
        self.tell(&Request::DeleteRealServer(*id, *server)).map_err(|f| RealServerError::of(*id, *server, f))
    }

    /// Reads the real servers of a service.
    ///
    /// # Errors
    /// [`ServiceError::Missing`]: the kernel answers with an empty list then,
    /// so when there is none the service is asked for as well.
    pub fn real_servers(&mut self, id: &ServiceId) -> Result<Vec<RealServerEntry>, ServiceError> {
        let servers = self.dump_real_servers(id).map_err(|f| ServiceError::of_id(*id, f))?;
        if servers.is_empty() {
            self.service(id)?;
        }
        Ok(servers)
    }

    /// Reads all virtual services with their real servers.
    ///
    /// One question for the services and one for the real servers of each, all
    /// on one socket. A socket runs one dump at a time (a second one is EBUSY),
    /// and more sockets would gain nothing: the kernel does its work within
    /// the caller's own `recv`, so there is no waiting to be filled. What helps
    /// is room: the kernel fills 32 KiB at once for who offers that much.
    ///
    /// The kernel offers no snapshot: a service that is deleted by somebody
    /// else meanwhile reads as one without real servers.
    ///
    /// # Errors
    /// When the link breaks.
    pub fn table(&mut self) -> Result<Vec<TableEntry>, LinkError> {
        let services = self.services()?;
        let mut table = Vec::with_capacity(services.len());
        for ServiceEntry { service, stats } in services {
            let real_servers = self.dump_real_servers(&service.id)?;
            table.push(TableEntry { service, stats, real_servers });
        }
        Ok(table)
    }

    /// Starts a synchronisation daemon.
    ///
    /// # Errors
    /// [`SyncDaemonError::Running`], [`SyncDaemonError::InterfaceMissing`] and others.
    pub fn start_sync_daemon(&mut self, daemon: &SyncDaemon) -> Result<(), SyncDaemonError> {
        self.tell(&Request::StartSyncDaemon(*daemon)).map_err(|f| SyncDaemonError::of_start(daemon, f))
    }

    /// Stops a synchronisation daemon.
    ///
    /// # Errors
    /// [`SyncDaemonError::NotRunning`] and others.
    pub fn stop_sync_daemon(&mut self, role: SyncRole) -> Result<(), SyncDaemonError> {
        self.tell(&Request::StopSyncDaemon(role)).map_err(|f| SyncDaemonError::of_role(role, f))
    }

    /// Reads the synchronisation daemons that run: none, one, or one of each role.
    ///
    /// # Errors
    /// When the link breaks.
    pub fn sync_daemons(&mut self) -> Result<Vec<SyncDaemon>, LinkError> {
        let mut daemons = Vec::new();
        self.dump(&Question::SyncDaemons, k::IPVS_CMD_NEW_DAEMON, |attributes| {
            daemons.push(wire::decode_sync_daemon(attributes)?);
            Ok(())
        })?;
        Ok(daemons)
    }

    /// Sets the timeouts that are given and leaves the others.
    ///
    /// # Errors
    /// [`TimeoutsError::Value`] for 0, for parts of a second and for more than [`Timeouts::MAX`].
    pub fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<(), TimeoutsError> {
        self.tell(&Request::SetTimeouts(*timeouts)).map_err(TimeoutsError::of)
    }

    /// Reads the timeouts.
    ///
    /// # Errors
    /// When the link breaks.
    pub fn timeouts(&mut self) -> Result<Timeouts, LinkError> {
        Ok(self.ask(&Question::Timeouts, k::IPVS_CMD_SET_CONFIG, wire::decode_timeouts)?)
    }

    /// Reads version and size.
    ///
    /// # Errors
    /// When the link breaks.
    pub fn info(&mut self) -> Result<Info, LinkError> {
        Ok(self.ask(&Question::Info, k::IPVS_CMD_SET_INFO, wire::decode_info)?)
    }

    /// Zeroes the counters of a service and of its real servers.
    ///
    /// # Errors
    /// [`ServiceError::Missing`] and others.
    pub fn zero_service(&mut self, id: &ServiceId) -> Result<(), ServiceError> {
        self.tell(&Request::ZeroService(*id)).map_err(|f| ServiceError::of_id(*id, f))
    }

    /// Zeroes all counters.
    ///
    /// # Errors
    /// When the link breaks.
    pub fn zero_all(&mut self) -> Result<(), LinkError> {
        Ok(self.tell(&Request::ZeroAll)?)
    }

    /// Deletes all virtual services. Timeouts and synchronisation daemons stay.
    ///
    /// # Errors
    /// When the link breaks.
    pub fn flush(&mut self) -> Result<(), LinkError> {
        Ok(self.tell(&Request::Flush)?)
    }

    fn dump_real_servers(&mut self, id: &ServiceId) -> Result<Vec<RealServerEntry>, Failure> {
        let mut servers = Vec::new();
        let family = id.family();
        self.dump(&Question::RealServers(*id), k::IPVS_CMD_NEW_DEST, |attributes| {
            servers.push(wire::decode_real_server(attributes, family)?);
            Ok(())
        })?;
        Ok(servers)
    }

    /// Sends one request and waits until it is done.
    fn tell(&mut self, request: &Request) -> Result<(), Failure> {
        let header = self.header();
        let mut bytes = Vec::with_capacity(256);
        wire::encode(header, request, &mut bytes).map_err(Failure::Value)?;
        let mut outcome = Ok(());
        self.link.deliver(bytes, |sequence, errno| {
            if sequence == header.sequence {
                outcome = Err(Failure::Errno(errno));
            }
        })?;
        outcome
    }

    /// Asks for one thing.
    fn ask<T>(
        &mut self,
        question: &Question,
        command: u8,
        decode: fn(&[u8]) -> Result<T, DecodeError>,
    ) -> Result<T, Failure> {
        let mut found = None;
        self.converse(question, command, |attributes| {
            found = Some(decode(attributes)?);
            Ok(true)
        })?;
        found.ok_or(LinkError::Decode(DecodeError::Truncated).into())
    }

    /// Asks for all things of a kind.
    fn dump(
        &mut self,
        question: &Question,
        command: u8,
        mut each: impl FnMut(&[u8]) -> Result<(), DecodeError>,
    ) -> Result<(), Failure> {
        self.converse(question, command, |attributes| {
            each(attributes)?;
            Ok(false)
        })
    }

    /// Asks, and hands each part of the answer over until that was the last.
    ///
    /// A part that is not understood does not end a dump: the kernel would
    /// refuse the next one on this socket while this one still runs.
    fn converse(
        &mut self,
        question: &Question,
        expected: u8,
        mut each: impl FnMut(&[u8]) -> Result<bool, DecodeError>,
    ) -> Result<(), Failure> {
        let header = self.header();
        let mut bytes = Vec::with_capacity(128);
        wire::encode_question(header, question, &mut bytes);
        self.link.send(&bytes)?;
        let mut bad = None;
        loop {
            for message in wire::messages(self.link.receive()?) {
                let message = message.map_err(LinkError::Decode)?;
                if message.sequence != header.sequence {
                    continue;
                }
                let outcome = match message.answer().map_err(LinkError::Decode)? {
                    Answer::Data { command, attributes } if command == expected => each(attributes),
                    Answer::Data { command, .. } => Err(DecodeError::Command { command }),
                    Answer::Acknowledged | Answer::Done => Ok(true),
                    Answer::Nothing => Ok(false),
                    Answer::Refused(errno) => return Err(Failure::Errno(errno)),
                    Answer::Overrun => return Err(LinkError::AnswersLost.into()),
                };
                match outcome {
                    Ok(false) => {}
                    Ok(true) => return bad.map_or(Ok(()), |error| Err(LinkError::Decode(error).into())),
                    Err(error) => bad = bad.or(Some(error)),
                }
            }
        }
    }

    fn header(&mut self) -> Header {
        Header { family_id: self.link.family_id(), sequence: self.link.next_sequence() }
    }
}

impl fmt::Debug for Ipvs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ipvs").field("family_id", &self.link.family_id()).finish_non_exhaustive()
    }
}
