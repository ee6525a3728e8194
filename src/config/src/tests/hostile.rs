//! What is no configuration at all.

use proptest::prelude::*;

use super::*;

#[test]
fn what_is_no_text_is_refused_at_its_place() {
    let zeros = [0; 512];
    let mut long = SINGLE.as_bytes().to_vec();
    long.resize(limits::TEXT_BYTES + 1, b'#');
    let mut long_binary = long.clone();
    long_binary[0] = 0xff;
    let utf16: Vec<u8> = "schema = 1".encode_utf16().flat_map(u16::to_le_bytes).collect();
    type Case<'c> = (&'c str, &'c [u8], (usize, usize), &'c str);
    let cases: [Case<'_>; 12] = [
        ("an empty file", b"", (1, 1), "the file is empty"),
        ("only white space", b" \r\n\t\n", (1, 1), "the file is empty"),
        ("only a byte order mark", b"\xef\xbb\xbf", (1, 1), "the file is empty"),
        ("zeros", &zeros, (1, 1), "a NUL byte"),
        ("UTF-16", &utf16, (1, 2), "a NUL byte"),
        ("a NUL on the second line", b"schema = 1\nab\0", (2, 3), "a NUL byte"),
        ("Latin-1", b"schema = 1\n# gr\xfcn\n", (2, 5), "the byte 0xfc is not UTF-8"),
        ("a program", b"\x7fELF\x02\x01\x01\x00", (1, 8), "a NUL byte"),
        ("compressed", b"\x1f\x8b\x08\x00", (1, 2), "the byte 0x8b is not UTF-8"),
        ("one byte too long", &long, (1, 1), "the text has 1048577 bytes, at most 1048576 fit"),
        ("too long and no text", &long_binary, (1, 1), "the file has 1048577 bytes, at most 1048576 fit"),
        ("another format", b"{\"schema\": 1}", (1, 1), ""),
    ];
    for (rule, bytes, place, reason) in cases {
        let Err(findings) = parse_bytes(bytes) else { panic!("{rule}: it was read") };
        let first = &findings.listed()[0];
        assert!(first.reason.starts_with(reason), "{rule}: {first}");
        assert_eq!((first.line, first.column), place, "{rule}: {first}");
    }
}

#[test]
fn columns_count_characters_and_not_bytes() {
    let Err(findings) = parse("schema = 1\n# ü\n'äöü' = 1\nsystem = { hostname = 'é', 'mtü' = 3 }")
    else {
        panic!("it was read")
    };
    let places: Vec<_> =
        findings.listed().iter().map(|finding| (finding.line, finding.column, finding.length)).collect();
    assert_eq!(places, [(3, 1, 5), (4, 23, 3), (4, 28, 5)], "{findings}");
}

#[test]
fn a_byte_order_mark_and_the_line_ends_of_another_system_are_no_error() {
    let text = format!("\u{feff}{}", SINGLE.replace('\n', "\r\n"));
    assert!(parse(&text).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_with_a_place(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        holds(&bytes);
    }

    #[test]
    fn any_text_of_toml_signs_is_read_or_refused_with_a_place(text in "[\\[\\]{}=,.\"' \na-c0-9#é-]{0,80}") {
        holds(format!("schema = 1\n{text}").as_bytes());
    }

    #[test]
    fn an_example_with_a_piece_cut_out_or_overwritten_is_read_or_refused_with_a_place(
        start in 0..PAIR.len(), length in 0..40usize, put in "[\\[\\]{}=,.\"' \na-c0-9#é]{0,5}",
    ) {
        let mut bytes = PAIR.as_bytes().to_vec();
        let end = (start + length).min(bytes.len());
        bytes.splice(start..end, put.bytes());
        holds(&bytes);
    }
}

/// No panic; and whatever is found has a place, and can be shown.
fn holds(bytes: &[u8]) {
    let findings = match parse_bytes(bytes) {
        Ok(parsed) => parsed.warnings,
        Err(findings) => {
            assert!(findings.listed().iter().any(|finding| finding.severity == Severity::Error));
            findings
        }
    };
    for finding in findings.listed() {
        assert!(finding.line >= 1 && finding.column >= 1 && finding.length >= 1, "{finding}");
        assert!(!finding.reason.is_empty());
    }
    let text = String::from_utf8_lossy(bytes);
    let _shown = findings.render(&text, "any.toml").to_string();
}
