//! What is installed, as /etc/os-release says it.

use std::fs;
use std::path::Path;

use mark21_api::status::Firmware;

/// Reads the file; what it does not say stays empty.
pub(crate) fn read(path: &Path) -> Firmware {
    parse(&fs::read_to_string(path).unwrap_or_default())
}

fn parse(text: &str) -> Firmware {
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    Firmware { version: value("VERSION_ID"), commit: value("MARK21_COMMIT"), build: value("BUILD_ID") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_and_bare_values_are_read_and_others_are_empty() {
        let firmware = parse("ID=mark21\nVERSION_ID=0.1.0\nBUILD_ID=\"2026-11\"\n");
        assert_eq!((firmware.version.as_str(), firmware.build.as_str()), ("0.1.0", "2026-11"));
        assert_eq!(firmware.commit, "");
    }
}
