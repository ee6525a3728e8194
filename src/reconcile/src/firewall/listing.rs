//! Reads what nft lists, one object after the other.
//!
//! The listing of a large table as one tree of values would take ten times the memory of its text.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::ListingError;

/// Hands every object of `{"nftables": [..]}` to `take`, in order.
///
/// # Errors
/// When it is no such listing; some objects may have been handed over by then.
pub(crate) fn objects(listing: &str, mut take: impl FnMut(Value)) -> Result<(), ListingError> {
    let mut reader = serde_json::Deserializer::from_str(listing);
    let read = reader.deserialize_map(Listing(&mut take)).and_then(|()| reader.end());
    read.map_err(|error| if error.is_data() { ListingError::Shape } else { ListingError::Json(error) })
}

/// The object around the list.
struct Listing<'t>(&'t mut dyn FnMut(Value));

impl<'de> Visitor<'de> for Listing<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the list nftables")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let mut is_there = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == "nftables" {
                map.next_value_seed(Objects(&mut *self.0))?;
                is_there = true;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if is_there { Ok(()) } else { Err(M::Error::missing_field("nftables")) }
    }
}

/// The list.
struct Objects<'t>(&'t mut dyn FnMut(Value));

impl<'de> DeserializeSeed<'de> for Objects<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Objects<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        while let Some(object) = list.next_element()? {
            (self.0)(object);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_come_in_order_and_anything_else_is_refused() {
        let read = |text| {
            let mut seen = Vec::new();
            objects(text, |object| seen.push(object.to_string())).map(|()| seen.join(" "))
        };
        let good = r#"{"version": 1, "nftables": [{"a": 1}, {"b": []}], "more": {}}"#;
        assert_eq!(read(good).expect("a listing"), r#"{"a":1} {"b":[]}"#);
        for text in ["{}", "[]", "7", r#"{"nftables": {}}"#] {
            assert!(matches!(read(text), Err(ListingError::Shape)), "{text}");
        }
        for text in ["", "{", r#"{"nftables": [}"#, r#"{"nftables": []} {}"#, "nft"] {
            assert!(matches!(read(text), Err(ListingError::Json(_))), "{text}");
        }
    }
}
