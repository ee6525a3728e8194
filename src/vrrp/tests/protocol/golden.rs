//! Every capture of keepalived 2.4.3 decodes, and encodes to the same octets.

use crate::captures::Capture;
use vrrp::wire::{Advertisement, ChecksumFound, EmitError, ParseError, Protocol};
use vrrp::{Family, Version};

#[test]
fn all_captures_are_there() {
    let cases: std::collections::BTreeSet<_> =
        Capture::all().into_iter().map(|capture| capture.case).collect();
    assert_eq!(cases.len(), 34);
    assert_eq!(Capture::all().len(), 80);
}

#[test]
fn what_is_supported_decodes_to_what_was_configured() {
    for capture in Capture::acceptable() {
        let (advertisement, found) = Advertisement::parse(&capture.payload, &capture.path())
            .unwrap_or_else(|e| panic!("{}: {e}", capture.case));
        let header = advertisement.header;
        assert_eq!(header.vrid.get(), capture.vrid, "{}", capture.case);
        assert_eq!(header.priority.get(), capture.priority, "{}", capture.case);
        assert_eq!(advertisement.addresses.len(), usize::from(capture.count), "{}", capture.case);
        let (version, interval, has_password) = match header.protocol {
            Protocol::V2 { interval, password } => (2, u16::from(interval.get()), password.is_some()),
            Protocol::V3 { interval } => (3, interval.to_field(), false),
        };
        assert_eq!((version, interval), (capture.version, capture.interval), "{}", capture.case);
        assert_eq!(has_password, capture.authentication == "password", "{}", capture.case);
        match (header.protocol.version(), advertisement.addresses.family()) {
            (Version::V3, Family::Ipv4) => {
                assert_eq!(found, ChecksumFound::Form(capture.form()), "{}", capture.case)
            }
            (Version::V2, Family::Ipv4) | (Version::V2 | Version::V3, Family::Ipv6) => {
                assert_eq!(found, ChecksumFound::Either, "{}", capture.case);
            }
        }
    }
}

#[test]
fn what_is_decoded_encodes_to_the_same_octets_in_a_dirty_buffer() {
    for capture in Capture::acceptable() {
        let (advertisement, _) = Advertisement::parse(&capture.payload, &capture.path()).expect("decodes");
        let mut buffer = [0xa5; 5000];
        let len = advertisement.emit(&capture.path(), capture.form(), &mut buffer).expect("fits");
        assert_eq!(len, advertisement.encoded_len());
        assert_eq!(&buffer[..len], &capture.payload[..], "{}", capture.case);
        assert!(buffer[len..].iter().all(|octet| *octet == 0xa5), "{}: wrote past its end", capture.case);
        let short = &mut buffer[..len - 1];
        assert_eq!(
            advertisement.emit(&capture.path(), capture.form(), short),
            Err(EmitError::BufferTooSmall { needed: len })
        );
    }
}

#[test]
fn authentication_header_and_trailer_are_named_and_refused() {
    let mut seen = [0, 0];
    for capture in Capture::all() {
        let parsed = Advertisement::parse(capture.advertisement(), &capture.path());
        match capture.authentication.as_str() {
            "ah" => {
                seen[0] += 1;
                assert_eq!(parsed, Err(ParseError::AuthenticationHeader), "{}", capture.case);
            }
            "hmac" => {
                seen[1] += 1;
                assert_eq!(parsed, Err(ParseError::AuthenticationTrailer), "{}", capture.case);
            }
            _ => assert!(parsed.is_ok(), "{}", capture.case),
        }
    }
    assert_eq!(seen, [4, 16]);
}

#[test]
fn every_truncation_of_every_capture_is_an_error() {
    for capture in Capture::all() {
        let octets = capture.advertisement();
        let trailer = if capture.authentication == "hmac" { 28 } else { 0 };
        let end = octets.len() - trailer;
        for len in (0..end).chain(end + 1..octets.len()) {
            let error = Advertisement::parse(&octets[..len], &capture.path()).expect_err(&capture.case);
            let expected = if len < end { ParseError::Truncated } else { ParseError::TrailingOctets };
            assert_eq!(error, expected, "{} cut to {len}", capture.case);
        }
    }
}

#[test]
fn every_octet_more_is_an_error() {
    for capture in Capture::acceptable() {
        let mut longer = capture.payload.clone();
        for _ in 0..40 {
            longer.push(0);
            let error = Advertisement::parse(&longer, &capture.path()).expect_err(&capture.case);
            assert_eq!(error, ParseError::TrailingOctets, "{}", capture.case);
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    for capture in Capture::acceptable().into_iter().filter(|capture| capture.payload.len() < 100) {
        for bit in 0..capture.payload.len() * 8 {
            let mut damaged = capture.payload.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let parsed = Advertisement::parse(&damaged, &capture.path());
            assert!(parsed.is_err(), "{} bit {bit}: {parsed:?}", capture.case);
        }
    }
}
