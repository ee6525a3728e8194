//! A configuration together with the facts of the moment: which device an interface is, and which
//! real servers with which weights a service has.

use std::net::IpAddr;

use mark21_config::{Config, InterfaceIndex, Link, RealServer, Service};

use crate::ipvs::Family;
use crate::machine::{Machine, MissingPort, Overrides};

/// What everything is computed from.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) config: &'a Config,
    pub(crate) machine: &'a Machine,
    overrides: &'a Overrides,
    /// By position of the interface; `None` where the port is missing.
    devices: Vec<Option<String>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(config: &'a Config, machine: &'a Machine, overrides: &'a Overrides) -> Self {
        Self { config, machine, overrides, devices: devices(config, machine) }
    }

    /// The kernel's name of an interface's device, if the machine has it.
    pub(crate) fn device(&self, interface: InterfaceIndex) -> Option<&str> {
        self.devices.get(interface.position())?.as_deref()
    }

    /// The real servers of the service at this position with their weights of the moment, those that
    /// drain at the end.
    pub(crate) fn servers(&self, position: usize, service: &Service) -> Vec<(RealServer, u32)> {
        let configured = self.config.real_servers_of(service);
        let weighted = configured.iter().enumerate().map(|(number, server)| {
            let weight = self.overrides.weights.get(&(position, number)).unwrap_or(&server.weight);
            (*server, u32::from(*weight))
        });
        let draining = self.overrides.draining.iter().filter(|draining| draining.service == position);
        let draining = draining.map(|draining| &draining.server).filter(|server| {
            !configured
                .iter()
                .any(|kept| kept.v4 == server.v4 && kept.v6 == server.v6 && kept.port == server.port)
        });
        weighted.chain(draining.map(|server| (*server, 0))).collect()
    }

    /// The interfaces whose port the machine does not have.
    pub(crate) fn missing(&self) -> Vec<MissingPort> {
        let interfaces = self.config.interfaces.iter().zip(&self.devices);
        let missing = interfaces.filter(|(_, device)| device.is_none());
        missing
            .map(|(interface, _)| MissingPort {
                interface: interface.name.to_string(),
                wanted: match &interface.link {
                    Link::Device(device) => format!("device {device}"),
                    Link::Mac(mac) => format!("mac {}", mac.map(|byte| format!("{byte:02x}")).join(":")),
                    Link::Pci(pci) => format!("pci {pci}"),
                    Link::Vlan { parent, .. } => format!("interface {}", self.config.interface(*parent).name),
                    Link::Bond { devices, .. } => {
                        format!(
                            "device {}",
                            devices.iter().map(|d| d.as_str()).collect::<Vec<_>>().join(" or ")
                        )
                    }
                },
            })
            .collect()
    }
}

/// An address of a real server in one family.
pub(crate) fn server_address(server: &RealServer, family: Family) -> Option<IpAddr> {
    match family {
        Family::V4 => server.v4.map(IpAddr::from),
        Family::V6 => server.v6.map(IpAddr::from),
    }
}

/// The device of each interface. VLANs come after their parents, whatever the order of the file.
fn devices(config: &Config, machine: &Machine) -> Vec<Option<String>> {
    let port = |wanted: &dyn Fn(&&crate::Port) -> bool| {
        machine.ports.iter().find(wanted).map(|port| port.device.clone())
    };
    let mut bonds = 0..;
    let mut devices: Vec<Option<String>> = config
        .interfaces
        .iter()
        .map(|interface| match &interface.link {
            Link::Device(device) => port(&|port| port.device == device.as_str()),
            Link::Mac(mac) => port(&|port| port.mac.as_ref() == Some(mac)),
            Link::Pci(pci) => port(&|port| port.pci.as_deref() == Some(pci.as_str())),
            Link::Bond { devices, .. } => {
                let number: usize = bonds.next().unwrap_or_default();
                let any = devices.iter().any(|device| port(&|port| port.device == device.as_str()).is_some());
                any.then(|| format!("bond{number}"))
            }
            Link::Vlan { .. } => None,
        })
        .collect();
    for (position, interface) in config.interfaces.iter().enumerate() {
        if let Link::Vlan { parent, id } = &interface.link {
            let parent = devices.get(parent.position()).cloned().flatten();
            devices[position] = parent.map(|parent| vlan_device(&parent, *id));
        }
    }
    devices
}

/// `eth0.100`, or `vlan100` where that would be too long for a device name.
fn vlan_device(parent: &str, id: u16) -> String {
    let name = format!("{parent}.{id}");
    if name.len() <= mark21_config::limits::DEVICE_BYTES { name } else { format!("vlan{id}") }
}
