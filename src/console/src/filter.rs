//! `COMMAND | include TEXT` and `| exclude TEXT`, as other boxes have it: which lines of an answer
//! are shown. Letters of either case are the same.

/// Which lines are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    text: String,
    is_wanted: bool,
}

/// Splits a line typed by a person; a bar that no filter follows belongs to the command.
pub(crate) fn split(line: &str) -> (&str, Option<Filter>) {
    let read = || {
        let (command, filter) = line.rsplit_once(" | ")?;
        let (verb, text) = filter.trim().split_once(' ')?;
        let is_wanted = match verb {
            "include" | "inc" | "i" | "match" | "grep" => true,
            "exclude" | "exc" | "e" | "except" => false,
            _ => return None,
        };
        let text = text.trim().trim_matches('"').to_lowercase();
        (!text.is_empty()).then_some((command, Filter { text, is_wanted }))
    };
    read().map_or((line, None), |(command, filter)| (command, Some(filter)))
}

impl Filter {
    /// The lines that it lets through.
    pub(crate) fn apply(&self, text: &str) -> String {
        let is_shown = |line: &&str| line.to_lowercase().contains(&self.text) == self.is_wanted;
        text.lines().filter(is_shown).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_stands_behind_the_last_bar() {
        let text = "one SSH line\nanother\nssh again";
        let cases = [
            ("log | include ssh", "log", "one SSH line\nssh again"),
            ("log | exclude ssh", "log", "another"),
            ("log | i \"ssh again\"", "log", "ssh again"),
            ("log", "log", text),
            ("set a b | c", "set a b | c", text),
            ("commit --comment \"a | include\"", "commit --comment \"a | include\"", text),
        ];
        for (line, command, shown) in cases {
            let (read, filter) = split(line);
            assert_eq!(read, command);
            assert_eq!(filter.map_or(text.to_owned(), |filter| filter.apply(text)), shown, "{line}");
        }
    }
}
