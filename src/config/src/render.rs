//! Findings with the line they are about and a caret under the exact place.
//!
//! Written for a terminal of 80 columns; only a source line longer than that is cut.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::finding::{Finding, Findings, Severity};

/// Columns of a terminal that nobody has resized.
const COLUMNS: usize = 80;

impl Findings {
    /// All listed findings as text, each with its source line. `text` is what was parsed; of
    /// bytes that are not UTF-8, their lossy form will do.
    pub fn render<'a>(&'a self, text: &'a str, file_name: &'a str) -> impl fmt::Display + 'a {
        Rendered { findings: self, text, file_name }
    }
}

struct Rendered<'a> {
    findings: &'a Findings,
    text: &'a str,
    file_name: &'a str,
}

impl fmt::Display for Rendered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let renderer = Renderer::plain().term_width(COLUMNS);
        let mut lines = Lines { rest: self.text.split('\n'), next: 1 };
        let mut current = (0, "");
        for finding in self.findings.listed() {
            if finding.line != current.0 {
                current = (finding.line, lines.skip_to(finding.line));
            }
            let group = group(finding, current.1, self.file_name);
            writeln!(f, "{}\n", renderer.render(&[group]))?;
        }
        let count =
            |severity| self.findings.listed().iter().filter(|finding| finding.severity == severity).count();
        write!(f, "{}: {}", self.file_name, Count(count(Severity::Error), "error"))?;
        match count(Severity::Warning) {
            0 => {}
            warnings => write!(f, ", {}", Count(warnings, "warning"))?,
        }
        match self.findings.omitted() {
            0 => writeln!(f),
            omitted => writeln!(f, ", and {omitted} more that are not listed"),
        }
    }
}

/// The lines of a text; findings are in order, so one pass finds all of theirs.
struct Lines<'a> {
    rest: core::str::Split<'a, char>,
    next: usize,
}

impl<'a> Lines<'a> {
    fn skip_to(&mut self, line: usize) -> &'a str {
        let skipped = line.saturating_sub(self.next);
        self.next = line + 1;
        self.rest.nth(skipped).unwrap_or_default().trim_end_matches('\r')
    }
}

struct Count(usize, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

fn group<'a>(finding: &'a Finding, line: &'a str, file_name: &'a str) -> Group<'a> {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = if finding.field.is_empty() { &finding.reason } else { &finding.field };
    let start = byte_of(line, finding.column.saturating_sub(1));
    let end = byte_of(line, finding.column.saturating_sub(1) + finding.length).max(start);
    let snippet = Snippet::source(line)
        .line_start(finding.line)
        .path(file_name)
        .annotation(AnnotationKind::Primary.span(start..end));
    // The title is one line by the renderer's rule; the rest is folded here.
    let mut group = level.primary_title(title.as_str()).element(snippet);
    if !finding.field.is_empty() {
        group = group.element(Level::NOTE.message(fold(&finding.reason, "= note: ")));
    }
    if !finding.allowed.is_empty() {
        group =
            group.element(Level::NOTE.with_name("allowed").message(fold(&finding.allowed, "= allowed: ")));
    }
    if !finding.mend.is_empty() {
        group = group.element(Level::HELP.message(fold(&finding.mend, "= help: ")));
    }
    group
}

/// Where the character at `index` starts.
fn byte_of(line: &str, index: usize) -> usize {
    line.char_indices().nth(index).map_or(line.len(), |(byte, _)| byte)
}

/// Breaks a text so that it fits behind its label; words stay whole. Control characters, which
/// a file may hold, become visible.
fn fold(text: &str, label: &str) -> String {
    // Line numbers of 1 MiB have up to seven digits, and a space follows them.
    let width = COLUMNS - 8 - label.len();
    let text = annotate_snippets::normalize_untrusted_str(text);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(String::from(word)),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::ToString;

    use super::*;
    use crate::parse;

    fn rendered(text: &str) -> String {
        match parse(text) {
            Ok(parsed) => parsed.warnings.render(text, "mark21.toml").to_string(),
            Err(findings) => findings.render(text, "mark21.toml").to_string(),
        }
    }

    #[test]
    fn a_finding_stands_under_its_line_with_a_caret_at_the_place() {
        let text =
            "schema = 1\n\n[[interface]]\nname = \"é\"\n[[service]]\nname = \"ftp\"\nkind = \"fpt\" # no\n";
        let wanted = r#"error: interface "é" . name
 --> mark21.toml:4:8
  |
4 | name = "é"
  |        ^^^
  |
  = note: the character 'é' is not allowed in it
  = allowed: letters, digits, `-`, `_`, `.`

error: service "ftp" . kind
 --> mark21.toml:7:8
  |
7 | kind = "fpt" # no
  |        ^^^^^
  |
  = note: no such word is known here
  = allowed: "ftp", "tcp", "udp", "mark"
  = help: did you mean "ftp"?

mark21.toml: 2 errors
"#;
        assert_eq!(rendered(text), wanted);
    }

    #[test]
    fn a_syntax_error_needs_no_field() {
        let wanted = "error: string values must be quoted, expected literal string
 --> mark21.toml:1:10
  |
1 | schema = one
  |          ^^^

mark21.toml: 1 error
";
        assert_eq!(rendered("schema = one"), wanted);
    }

    #[test]
    fn the_end_of_the_file_is_a_place() {
        let shown = rendered("schema = 1\nsystem = {");
        assert!(shown.contains("2 | system = {\n  |           ^\n"), "{shown}");
    }

    #[test]
    fn a_warning_alone_is_shown_too() {
        let text = include_str!("../examples/single.toml")
            .replace("kind = \"ftp\" ", "kind = \"ftp\"\ntls = \"allowed\"\n");
        let shown = rendered(&text);
        assert!(shown.starts_with("warning: service \"ftp\" . tls\n"), "{shown}");
        assert!(shown.ends_with("mark21.toml: 0 errors, 1 warning\n"), "{shown}");
    }

    #[test]
    fn eighty_columns_are_enough_and_a_long_line_is_cut_around_the_place() {
        let long = "x".repeat(300);
        let text = format!(
            "schema = 1\n[system]\nhostname = \"a\" # {long}\nname_servers = [{}5]\n",
            " ".repeat(200)
        );
        let pair = include_str!("../examples/pair.toml")
            .replace("10.0.0.11", "10.9.0.11")
            .replace("interface = \"sync\"", "interface = \"inside\"")
            .replace("passive = \"server\"", "passive = \"rewrite\"");
        for shown in [rendered(&text), rendered(&pair)] {
            let longest = shown.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(COLUMNS), "{longest:?}\n{shown}");
        }
    }

    #[test]
    fn control_characters_of_the_file_do_not_reach_the_terminal() {
        let shown = rendered("schema = 1\n'\u{7f}a' = \"\\u001b[31m\"\n\"\\u001b[31m\" = 1");
        assert!(!shown.chars().any(|character| character.is_control() && character != '\n'), "{shown:?}");
    }

    #[test]
    fn findings_that_are_not_listed_are_counted() {
        let text = format!("schema = 1\n{}", (0..52).map(|n| format!("a{n} = 1\n")).collect::<String>());
        assert!(rendered(&text).ends_with("mark21.toml: 50 errors, and 2 more that are not listed\n"));
    }
}
