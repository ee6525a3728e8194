//! Lines that fit a terminal which is as narrow as a serial line's.

/// What fits on the narrowest terminal.
pub const COLUMNS: usize = 80;

/// Breaks a line between its words, and within a word that is longer than a line; what follows the
/// first is indented, and the first is not broken within that indent.
#[must_use]
pub fn fold(line: &str, columns: usize, indent: usize) -> String {
    let (columns, indent) = (columns.max(1), indent.min(columns / 2));
    let mut left: Vec<char> = line.trim_end().chars().collect();
    let mut lines: Vec<String> = Vec::new();
    while left.len() > columns {
        let blank = (indent + 1..=columns).rev().find(|at| left.get(*at) == Some(&' '));
        let rest = left.split_off(blank.unwrap_or(columns));
        lines.push(left.iter().collect::<String>().trim_end().to_owned());
        let rest = rest.into_iter().skip_while(|letter| *letter == ' ');
        left = std::iter::repeat_n(' ', indent).chain(rest).collect();
    }
    lines.push(left.iter().collect());
    lines.join("\n")
}

/// The same for each line of a table or a list; what is broken goes on below its last column.
#[must_use]
pub fn fold_lines(text: &str, columns: usize) -> String {
    let lines = text.lines().map(|line| {
        let column = line.rfind("  ").map_or(0, |at| at + 2);
        let leading = line.len() - line.trim_start().len();
        fold(line, columns, column.min(columns / 2).max(leading) + 2)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_between_words_and_a_long_word_within() {
        let cases = [
            ("one two three", 80, 2, "one two three"),
            ("one two three", 9, 2, "one two\n  three"),
            ("a abcdefghijklm b", 9, 2, "a abcdefg\n  hijklm\n  b"),
            ("a    one two", 10, 5, "a    one\n     two"),
            ("word  ", 9, 2, "word"),
            ("", 0, 2, ""),
        ];
        for (line, columns, indent, wanted) in cases {
            assert_eq!(fold(line, columns, indent), wanted);
        }
    }

    #[test]
    fn a_table_goes_on_below_its_last_column() {
        let table = "  12  one two three\n   5.7 three four five\nfive six seven eight";
        assert_eq!(fold_lines(table, 80), table);
        let folded = "  12  one two\n        three\n   5.7 three\n     four five\nfive six seven\n  eight";
        assert_eq!(fold_lines(table, 16), folded);
    }
}
