//! How two texts differ, line by line: Myers' algorithm of the `similar` crate, without the rest of
//! it, which would be a tenth of this program.

use std::fmt::Write as _;
use std::ops::Range;

use similar::DiffOp;
use similar::algorithms::{Capture, Replace, myers};

/// Unchanged lines around a change.
const CONTEXT: usize = 3;

/// The lines that go, with `-`, and those that come, with `+`; nothing of what stays.
pub(crate) fn lines(old: &str, new: &str) -> Vec<String> {
    let (old, new) = (split(old), split(new));
    let mut changed = Vec::new();
    for op in capture(&old, &new).ops() {
        if let DiffOp::Equal { .. } = op {
            continue;
        }
        let gone = part(&old, op.old_range()).iter().map(|line| ('-', line));
        let come = part(&new, op.new_range()).iter().map(|line| ('+', line));
        let lines = gone.chain(come).filter(|(_, line)| !line.trim().is_empty());
        changed.extend(lines.map(|(sign, line)| format!("{sign} {}", line.trim_end())));
    }
    changed
}

/// A unified diff, as `diff -u` prints it; empty where nothing differs.
pub(crate) fn unified(old: &str, new: &str, names: [&str; 2]) -> String {
    let (old, new) = (split(old), split(new));
    let mut text = String::new();
    // Writing into a String cannot fail.
    for group in capture(&old, &new).into_grouped_ops(CONTEXT) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        if text.is_empty() {
            let _ = write!(text, "--- {}\n+++ {}\n", names[0], names[1]);
        }
        let from = first.old_range().start..last.old_range().end;
        let to = first.new_range().start..last.new_range().end;
        let _ = writeln!(text, "@@ -{} +{} @@", place(&from), place(&to));
        for op in &group {
            if let DiffOp::Equal { .. } = op {
                write_lines(&mut text, ' ', part(&new, op.new_range()));
            } else {
                write_lines(&mut text, '-', part(&old, op.old_range()));
                write_lines(&mut text, '+', part(&new, op.new_range()));
            }
        }
    }
    text
}

fn capture(old: &[&str], new: &[&str]) -> Capture {
    // What goes and comes at one place is one change, the old before the new.
    let mut capture = Replace::new(Capture::new());
    let Ok(()) = myers::diff(&mut capture, old, 0..old.len(), new, 0..new.len());
    capture.into_inner()
}

fn split(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

fn part<'a>(lines: &'a [&'a str], range: Range<usize>) -> &'a [&'a str] {
    lines.get(range).unwrap_or_default()
}

fn write_lines(text: &mut String, sign: char, lines: &[&str]) {
    for line in lines {
        text.push(sign);
        text.push_str(line.trim_end_matches('\n'));
        text.push('\n');
    }
}

/// `12,3`, or `12` for one line; of no lines, the line before them.
fn place(range: &Range<usize>) -> String {
    match range.len() {
        1 => (range.start + 1).to_string(),
        0 => format!("{},0", range.start),
        length => format!("{},{length}", range.start + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "a\nb\nc\nd\ne\nf\ng\n";

    #[test]
    fn a_unified_diff_has_three_lines_around_a_change() {
        let new = OLD.replace("e\n", "E\n");
        let wanted = "--- running\n+++ draft\n@@ -2,6 +2,6 @@\n b\n c\n d\n-e\n+E\n f\n g\n";
        assert_eq!(unified(OLD, &new, ["running", "draft"]), wanted);
    }

    #[test]
    fn a_new_text_begins_before_its_first_line() {
        let wanted = "--- running\n+++ draft\n@@ -0,0 +1 @@\n+a\n";
        assert_eq!(unified("", "a\n", ["running", "draft"]), wanted);
    }

    #[test]
    fn what_is_the_same_has_no_difference() {
        assert_eq!(unified(OLD, OLD, ["running", "draft"]), "");
        assert_eq!(lines(OLD, OLD), Vec::<String>::new());
    }

    #[test]
    fn only_what_changes_is_listed() {
        assert_eq!(lines(OLD, &OLD.replace("e\n", "E\n\n")), ["- e", "+ E"]);
    }
}
