//! How a refusal travels: an error of D-Bus has one text, which says why, and in its last line what to
//! do next. A program that shows the text shows both; the console takes them apart.

const NEXT: &str = "\nhint: ";

/// The text of an error.
#[must_use]
pub fn written(why: &str, next: &str) -> String {
    [why, NEXT, next].concat()
}

/// Why, and what to do next; `None` in an error that is not made here, such as the library's own.
#[must_use]
pub fn read(text: &str) -> (&str, Option<&str>) {
    text.rsplit_once(NEXT).map_or((text, None), |(why, next)| (why, Some(next)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_come_back_also_where_the_first_one_has_several_lines() {
        for why in ["there is no generation 99", "refused\nhint: a comment in the file\n 1 | a"] {
            assert_eq!(read(&written(why, "known are: 1, 2")), (why, Some("known are: 1, 2")));
        }
        assert_eq!(read("no such method"), ("no such method", None));
    }
}
