//! What the parser says of a text, as the interface carries it: the one conversion for the
//! supervisor, which answers with it, and for the console, which checks files without mark21d.

use mark21_config::Parsed;

use crate::status::{Finding, Verdict};

/// Reads a text; `name` is what the rendered findings call the file. The configuration comes
/// beside where the text would be taken.
#[must_use]
pub fn check(bytes: &[u8], name: &str) -> (Verdict, Option<Parsed>) {
    let parsed = mark21_config::parse_bytes(bytes);
    let findings = match &parsed {
        Ok(parsed) => &parsed.warnings,
        Err(findings) => findings,
    };
    let listed = findings.listed().iter().map(|finding| Finding {
        severity: finding.severity.to_string(),
        line: finding.line as u64,
        column: finding.column as u64,
        field: finding.field.clone(),
        given: finding.given.clone(),
        allowed: finding.allowed.clone(),
        reason: finding.reason.clone(),
        mend: finding.mend.clone(),
    });
    let verdict = Verdict {
        accepted: parsed.is_ok(),
        findings: listed.collect(),
        unlisted: findings.omitted() as u64,
        rendered: findings.render(&String::from_utf8_lossy(bytes), name).to_string(),
    };
    (verdict, parsed.ok())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_finding_keeps_its_place_its_field_and_its_severity() {
        let (verdict, parsed) = check(b"schema = 1\n[system]\nhostname = \"a b\"\n", "mark21.toml");
        assert!(!verdict.accepted && parsed.is_none());
        let finding = verdict.findings.first().expect("one finding");
        assert_eq!((finding.severity.as_str(), finding.line, finding.column), ("error", 3, 12));
        assert!(verdict.rendered.contains("mark21.toml:3:12"), "{}", verdict.rendered);
    }
}
