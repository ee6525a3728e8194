//! "Did you mean": the known word that is nearest to the one given.

use alloc::vec::Vec;

/// Longest word that is compared, in characters; names are shorter.
const LONGEST: usize = 64;

/// The candidate with the fewest edits, if they are few for its length.
pub(crate) fn nearest<'c>(given: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if given.chars().count() > LONGEST {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (distance(given, candidate), candidate))
        .filter(|(edits, candidate)| *edits <= 1 + candidate.len() / 4)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// How many insertions, deletions, replacements and swaps of neighbours turn one into the other
/// (optimal string alignment), upper and lower case being the same.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().flat_map(char::to_lowercase).collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous = None;
    for (row, given) in from.chars().flat_map(char::to_lowercase).enumerate() {
        let mut current = Vec::with_capacity(last.len());
        current.push(row + 1);
        for (column, wanted) in to.iter().enumerate() {
            let replaced = last[column] + usize::from(given != *wanted);
            let mut edits = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            let is_swap = column > 0 && previous == Some(*wanted) && to[column - 1] == given;
            if is_swap {
                edits = edits.min(before_last[column - 1] + 1);
            }
            current.push(edits);
        }
        before_last = core::mem::replace(&mut last, current);
        previous = Some(given);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_offered_and_a_far_one_is_not() {
        let cases = [
            ("one letter missing", "inteface", Some("interface")),
            ("two neighbours swapped", "wieght", Some("weight")),
            ("another case", "Weight", Some("weight")),
            ("nothing like it", "zebra", None),
            ("an empty word", "", None),
        ];
        for (rule, given, wanted) in cases {
            assert_eq!(nearest(given, ["interface", "weight", "addresses"]), wanted, "{rule}");
        }
    }
}
