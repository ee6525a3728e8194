//! Four directions for one packet of each kind: read, write, parse, emit.

use std::net::{IpAddr, Ipv4Addr};

use vrrp::wire::{
    Addresses, Advertisement, Centiseconds, ChecksumForm, EmitError, Header, Packet, ParseError, Password,
    Path, Protocol, Seconds, authentication_header_payload, peek, virtual_mac,
};
use vrrp::{Family, Priority, Version, Vrid};

const VRID_51: Vrid = Vrid::new(51).expect("not zero");
const VRID_52: Vrid = Vrid::new(52).expect("not zero");
const VRID_72: Vrid = Vrid::new(72).expect("not zero");

struct Case {
    name: &'static str,
    octets: &'static [u8],
    source: &'static str,
    destination: &'static str,
    form: ChecksumForm,
    advertisement: Advertisement<'static>,
}

/// As keepalived sent them (`v3_prio100_1vip`, `v2_authpass_secret`, `v6_vmac`).
fn cases() -> [Case; 3] {
    [
        Case {
            name: "version 3, IPv4",
            octets: &[0x31, 0x33, 0x64, 0x01, 0x00, 0x64, 0x75, 0x07, 0x0a, 0x63, 0x00, 0x0a],
            source: "10.99.0.1",
            destination: "224.0.0.18",
            form: ChecksumForm::PseudoHeader,
            advertisement: Advertisement {
                header: Header {
                    vrid: VRID_51,
                    priority: Priority::DEFAULT,
                    protocol: Protocol::V3 { interval: Centiseconds::from_field(100) },
                },
                addresses: Addresses::V4(&[[10, 99, 0, 10]]),
            },
        },
        Case {
            name: "version 2 with a password",
            octets: &[
                0x21, 0x34, 0x96, 0x01, 0x01, 0x01, 0xd4, 0x09, 0x0a, 0x63, 0x00, 0x0a, 0x73, 0x33, 0x63,
                0x72, 0x33, 0x74, 0x5f, 0x38,
            ],
            source: "10.99.0.1",
            destination: "224.0.0.18",
            form: ChecksumForm::Plain,
            advertisement: Advertisement {
                header: Header {
                    vrid: VRID_52,
                    priority: Priority::new(150),
                    protocol: Protocol::V2 {
                        interval: Seconds::new(1),
                        password: Some(Password::new(b"s3cr3t_8").expect("eight octets")),
                    },
                },
                addresses: Addresses::V4(&[[10, 99, 0, 10]]),
            },
        },
        Case {
            name: "version 3, IPv6",
            octets: &[
                0x31, 0x48, 0xc8, 0x02, 0x00, 0x64, 0xb1, 0xc1, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                0x99, 0, 0x10, 0xfd, 0x99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
            ],
            source: "fe80::2453:bbff:fe01:7b38",
            destination: "ff02::12",
            form: ChecksumForm::PseudoHeader,
            advertisement: Advertisement {
                header: Header {
                    vrid: VRID_72,
                    priority: Priority::new(200),
                    protocol: Protocol::V3 { interval: Centiseconds::from_field(100) },
                },
                addresses: Addresses::V6(&[
                    [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x99, 0, 0x10],
                    [0xfd, 0x99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10],
                ]),
            },
        },
    ]
}

impl Case {
    fn path(&self) -> Path {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        Path::new(address(self.source), address(self.destination)).expect("one family")
    }
}

#[test]
fn read() {
    for case in cases() {
        let packet = Packet::new_checked(case.octets).expect("a header");
        let header = case.advertisement.header;
        let family = case.advertisement.addresses.family();
        assert_eq!(packet.version(), Some(header.protocol.version()), "{}", case.name);
        assert_eq!(packet.packet_type(), 1, "{}", case.name);
        assert_eq!(packet.vrid(), header.vrid.get(), "{}", case.name);
        assert_eq!(packet.priority(), header.priority.get(), "{}", case.name);
        assert_eq!(usize::from(packet.count()), case.advertisement.addresses.len(), "{}", case.name);
        assert_eq!(packet.checksum().to_be_bytes(), case.octets[6..8], "{}", case.name);
        assert_eq!(packet.addresses(family), case.advertisement.addresses, "{}", case.name);
        match header.protocol {
            Protocol::V2 { interval, password } => {
                assert_eq!(packet.advertisement_interval(), interval);
                assert_eq!(packet.authentication_type(), 1);
                assert_eq!(
                    Some(&packet.authentication_data(family)),
                    password.as_ref().map(Password::octets)
                );
            }
            Protocol::V3 { interval } => assert_eq!(packet.max_advertise_interval(), interval),
        }
    }
}

#[test]
fn write() {
    for case in cases() {
        let mut octets = [0xa5; 64];
        let len = case.octets.len();
        let header = case.advertisement.header;
        let mut packet = Packet::new_checked(&mut octets[..len]).expect("a header");
        packet.set_version(header.protocol.version());
        packet.set_vrid(header.vrid.get());
        packet.set_priority(header.priority.get());
        packet.set_addresses(&case.advertisement.addresses);
        match header.protocol {
            Protocol::V2 { interval, password } => {
                packet.set_authentication_type(1);
                packet.set_advertisement_interval(interval);
                packet.set_authentication_data(Family::Ipv4, password.expect("has one").octets());
            }
            Protocol::V3 { interval } => packet.set_max_advertise_interval(interval),
        }
        packet.set_checksum(u16::from_be_bytes([case.octets[6], case.octets[7]]));
        assert_eq!(&octets[..len], case.octets, "{}", case.name);
        assert!(octets[len..].iter().all(|octet| *octet == 0xa5), "{}", case.name);
    }
}

#[test]
fn parse() {
    for case in cases() {
        let (advertisement, _) = Advertisement::parse(case.octets, &case.path()).expect(case.name);
        assert_eq!(advertisement, case.advertisement, "{}", case.name);
    }
}

#[test]
fn emit() {
    for case in cases() {
        let mut octets = [0xa5; 64];
        let len = case.advertisement.emit(&case.path(), case.form, &mut octets).expect(case.name);
        assert_eq!(&octets[..len], case.octets, "{}", case.name);
        assert!(octets[len..].iter().all(|octet| *octet == 0xa5), "{}", case.name);
    }
}

#[test]
fn each_error_of_a_packet_has_its_name() {
    let path = cases()[0].path();
    let v3 = cases()[0].octets;
    let v2 = cases()[1].octets;
    let with = |octets: &[u8], changes: &[(usize, u8)]| {
        let mut octets = octets.to_vec();
        changes.iter().for_each(|(at, octet)| octets[*at] = *octet);
        if changes.iter().all(|(at, _)| *at != 6) {
            rechecksum(&mut octets);
        }
        octets
    };
    let table = [
        ("empty", vec![], ParseError::Truncated),
        ("no address where one is promised", v3[..8].to_vec(), ParseError::Truncated),
        ("version 1", with(v3, &[(0, 0x11)]), ParseError::Version),
        ("version 4", with(v3, &[(0, 0x41)]), ParseError::Version),
        ("type 0", with(v3, &[(0, 0x30)]), ParseError::Type),
        ("type 2", with(v3, &[(0, 0x32)]), ParseError::Type),
        ("count too great", with(v3, &[(3, 2)]), ParseError::Truncated),
        ("count too small", with(v3, &[(3, 0)]), ParseError::TrailingOctets),
        ("checksum", with(v3, &[(6, 0x76)]), ParseError::Checksum),
        ("VRID 0", with(v3, &[(1, 0)]), ParseError::Vrid),
        ("authentication header", with(v2, &[(4, 2)]), ParseError::AuthenticationHeader),
        ("authentication type 3", with(v2, &[(4, 3)]), ParseError::AuthenticationType),
    ];
    for (name, octets, error) in table {
        assert_eq!(Advertisement::parse(&octets, &path), Err(error), "{name}");
    }
}

#[test]
fn version_2_over_ipv6_is_a_version_error() {
    let path = cases()[2].path();
    assert_eq!(Advertisement::parse(cases()[1].octets, &path), Err(ParseError::Version));
}

#[test]
fn reserved_bits_are_ignored() {
    let mut octets = cases()[0].octets.to_vec();
    octets[4] |= 0xf0;
    rechecksum(&mut octets);
    let (advertisement, _) = Advertisement::parse(&octets, &cases()[0].path()).expect("reserved bits");
    assert_eq!(advertisement, cases()[0].advertisement);
}

#[test]
fn no_address_at_all_decodes() {
    let mut octets = cases()[0].octets[..8].to_vec();
    octets[3] = 0;
    rechecksum(&mut octets);
    let (advertisement, _) = Advertisement::parse(&octets, &cases()[0].path()).expect("count 0");
    assert!(advertisement.addresses.is_empty());
}

#[test]
fn what_does_not_go_together_is_not_written() {
    let [v4, v2, v6] = cases();
    let mut buffer = [0; 5000];
    let mut emit = |advertisement: Advertisement<'_>, path: &Path| {
        advertisement.emit(path, ChecksumForm::Plain, &mut buffer)
    };
    assert_eq!(emit(v4.advertisement, &v6.path()), Err(EmitError::FamilyMismatch));
    let v2_with_ipv6 = Advertisement { addresses: v6.advertisement.addresses, ..v2.advertisement };
    assert_eq!(emit(v2_with_ipv6, &v6.path()), Err(EmitError::FamilyMismatch));
    let addresses = [[10, 0, 0, 1]; 256];
    let too_many = Advertisement { addresses: Addresses::V4(&addresses), ..v4.advertisement };
    assert_eq!(emit(too_many, &v4.path()), Err(EmitError::TooManyAddresses { count: 256 }));
}

#[test]
fn a_password_is_padded_bounded_and_never_shown() {
    let password = Password::new(b"abc").expect("three octets");
    assert_eq!(password.octets(), b"abc\0\0\0\0\0");
    assert_eq!(format!("{password:?}"), "Password(..)");
    assert_eq!(Password::new(b"123456789").expect_err("nine octets").len, 9);
}

#[test]
fn the_router_of_a_payload_is_found_without_parsing_it() {
    assert_eq!(peek(cases()[0].octets), Some((Some(Version::V3), VRID_51)));
    assert_eq!(peek(&[0x41, 51]), Some((None, VRID_51)));
    assert_eq!(peek(&[0x31, 0]), None);
    assert_eq!(peek(&[0x31]), None);
}

#[test]
fn an_authentication_header_of_any_length_does_no_harm() {
    for words in 0..=u8::MAX {
        for len in 0..40 {
            let mut octets = vec![0; len];
            [112, words].iter().zip(octets.iter_mut()).for_each(|(from, to)| *to = *from);
            let _ = authentication_header_payload(&octets).map(peek);
        }
    }
}

#[test]
fn virtual_mac_addresses_are_those_of_the_rfc() {
    assert_eq!(virtual_mac(Family::Ipv4, VRID_51), [0, 0, 0x5e, 0, 1, 51]);
    assert_eq!(virtual_mac(Family::Ipv6, VRID_72), [0, 0, 0x5e, 0, 2, 72]);
}

/// An independent, naive sum, so that damage elsewhere is what a test sees.
fn rechecksum(octets: &mut [u8]) {
    octets[6] = 0;
    octets[7] = 0;
    let mut sum = 0_u32;
    for pair in octets.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    octets[6..8].copy_from_slice(&(!u16::try_from(sum).expect("folded")).to_be_bytes());
}

#[test]
fn a_path_of_two_families_is_none() {
    let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let v6 = "::1".parse().expect("an address");
    assert_eq!(Path::new(v4, v6), None);
}
