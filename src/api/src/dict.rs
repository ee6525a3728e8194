//! Serde values to D-Bus dictionaries and back.
//!
//! A struct becomes `a{sv}`, a sequence `av`, an integer `x` or `t`, an absent option is left
//! out. The same types print as JSON at the other end, so that what a program reads over D-Bus
//! and what `--json` prints have the same names.

use std::collections::HashMap;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Number, Value};
use zbus::{OwnedVariant, Variant};

/// A structured value on the wire: D-Bus `a{sv}`.
pub type Dict = HashMap<String, OwnedVariant>;

/// Why a value does not convert.
#[derive(Debug)]
pub enum ConvertError {
    /// The value is not a struct or a map.
    NotADictionary,
    /// The value holds a number, a key or a file descriptor that the other side cannot carry.
    Unsupported,
    /// The dictionary lacks a field or one has another type.
    Shape(serde_json::Error),
}

impl std::fmt::Display for ConvertError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotADictionary => f.write_str("not a dictionary"),
            Self::Unsupported => f.write_str("a value that the other side cannot carry"),
            Self::Shape(_) => f.write_str("not the expected dictionary"),
        }
    }
}

impl std::error::Error for ConvertError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Shape(cause) => Some(cause),
            Self::NotADictionary | Self::Unsupported => None,
        }
    }
}

/// A struct as a dictionary.
///
/// # Errors
/// The value is no struct or map, or holds a number beyond 64 bits.
pub fn to_dict<T: Serialize>(value: &T) -> Result<Dict, ConvertError> {
    match serde_json::to_value(value).map_err(ConvertError::Shape)? {
        Value::Object(map) => fields(map)?
            .into_iter()
            .map(|(key, value)| {
                let value = OwnedVariant::try_from(value).map_err(|_| ConvertError::Unsupported)?;
                Ok((key, value))
            })
            .collect(),
        _ => Err(ConvertError::NotADictionary),
    }
}

/// A dictionary as a struct.
///
/// # Errors
/// A field is missing, or of another type.
pub fn from_dict<T: DeserializeOwned>(dict: Dict) -> Result<T, ConvertError> {
    let mut map = Map::new();
    for (key, value) in dict {
        map.insert(key, to_json(&value)?);
    }
    serde_json::from_value(Value::Object(map)).map_err(ConvertError::Shape)
}

/// Only the outermost becomes an owned dictionary, which costs a copy of all within.
fn fields(map: Map<String, Value>) -> Result<HashMap<String, Variant<'static>>, ConvertError> {
    let present = map.into_iter().filter(|(_, value)| !value.is_null());
    present.map(|(key, value)| Ok((key, to_variant(value)?))).collect()
}

fn to_variant(value: Value) -> Result<Variant<'static>, ConvertError> {
    Ok(match value {
        Value::Null => return Err(ConvertError::Unsupported),
        Value::Bool(flag) => Variant::from(flag),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), _, _) => Variant::from(number),
            (_, Some(number), _) => Variant::from(number),
            (_, _, Some(number)) => Variant::from(number),
            (None, None, None) => return Err(ConvertError::Unsupported),
        },
        Value::String(text) => Variant::from(text),
        Value::Array(items) => {
            let items: Result<Vec<_>, _> = items.into_iter().map(to_variant).collect();
            Variant::new(items?)
        }
        Value::Object(map) => Variant::from(fields(map)?),
    })
}

fn to_json(value: &Variant<'_>) -> Result<Value, ConvertError> {
    Ok(match value {
        Variant::Bool(flag) => Value::Bool(*flag),
        Variant::U8(n) => Value::from(*n),
        Variant::I16(n) => Value::from(*n),
        Variant::U16(n) => Value::from(*n),
        Variant::I32(n) => Value::from(*n),
        Variant::U32(n) => Value::from(*n),
        Variant::I64(n) => Value::from(*n),
        Variant::U64(n) => Value::from(*n),
        Variant::F64(n) => Number::from_f64(*n).map(Value::Number).ok_or(ConvertError::Unsupported)?,
        Variant::Str(text) => Value::from(text.as_str()),
        Variant::ObjectPath(path) => Value::from(path.as_str()),
        Variant::Variant(inner) => to_json(inner)?,
        Variant::Array(items) => Value::Array(items.iter().map(to_json).collect::<Result<_, _>>()?),
        Variant::Dict(entries) => {
            let mut map = Map::new();
            for (key, value) in entries.iter() {
                let Variant::Str(key) = key else { return Err(ConvertError::Unsupported) };
                map.insert(key.as_str().to_owned(), to_json(value)?);
            }
            Value::Object(map)
        }
        Variant::Signature(_) | Variant::Structure(_) | Variant::Fd(_) => {
            return Err(ConvertError::Unsupported);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        text: String,
        count: u64,
        below: i64,
        absent: Option<String>,
        parts: Vec<Part>,
        names: Vec<String>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Part {
        on: bool,
    }

    #[test]
    fn a_nested_struct_comes_back_as_it_went() {
        let sample = Sample {
            text: "a".into(),
            count: u64::MAX,
            below: -1,
            absent: None,
            parts: vec![Part { on: true }, Part { on: false }],
            names: vec![],
        };
        let dict = to_dict(&sample).expect("a struct converts");
        assert!(!dict.contains_key("absent"), "an absent option is left out");
        assert_eq!(from_dict::<Sample>(dict).expect("and converts back"), sample);
    }

    #[test]
    fn what_is_no_struct_is_refused() {
        assert!(matches!(to_dict(&3), Err(ConvertError::NotADictionary)));
    }
}
