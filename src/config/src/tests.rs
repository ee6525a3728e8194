//! Whole files.

use super::*;

#[test]
fn the_examples_parse_without_a_finding() {
    for (name, text) in [
        ("single.toml", include_str!("../examples/single.toml")),
        ("pair.toml", include_str!("../examples/pair.toml")),
    ] {
        match parse(text) {
            Ok(parsed) => assert!(parsed.warnings.is_empty(), "{name}:\n{}", parsed.warnings),
            Err(findings) => panic!("{name}:\n{findings}"),
        }
    }
}
