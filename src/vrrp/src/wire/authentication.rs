//! What authentication there ever was: the password of RFC 2338, and two things only recognised.
//!
//! The authentication header (RFC 2338) and keepalived's trailer (2.4's `auth_hmac`) are named so
//! that they can be counted and refused for what they are.

use core::fmt;

/// VRRPv2 "simple text password": 8 octets, padded with zeros, sent in clear.
///
/// It protects against a wrong configuration, not against anyone. `Debug` hides it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Password([u8; Password::LEN]);

impl Password {
    /// Octets on the wire.
    pub const LEN: usize = 8;

    /// Pads `password` with zeros.
    ///
    /// # Errors
    /// When it is longer than 8 octets: keepalived would cut it and the other side would not know.
    pub fn new(password: &[u8]) -> Result<Password, PasswordTooLong> {
        let mut octets = [0; Password::LEN];
        octets
            .get_mut(..password.len())
            .ok_or(PasswordTooLong { len: password.len() })?
            .copy_from_slice(password);
        Ok(Password(octets))
    }

    /// The authentication data field.
    pub const fn octets(&self) -> &[u8; Password::LEN] {
        &self.0
    }

    pub(crate) const fn from_octets(octets: [u8; Password::LEN]) -> Password {
        Password(octets)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// A password of more than 8 octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordTooLong {
    /// Octets given.
    pub len: usize,
}

impl fmt::Display for PasswordTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "password of {} octets, at most {} fit", self.len, Password::LEN)
    }
}

impl core::error::Error for PasswordTooLong {}

/// Octets of keepalived's trailer: version, key, two reserved, 8 of time or counter, 16 of HMAC.
pub(crate) const TRAILER_LEN: usize = 28;

/// Whether `rest`, what follows a complete advertisement, is keepalived's trailer.
pub(crate) fn is_trailer(rest: &[u8]) -> bool {
    rest.len() == TRAILER_LEN && rest.first() == Some(&1)
}

/// The advertisement behind an authentication header (IP protocol 51), to name its VRID in a log.
///
/// `None` when the header is cut or what follows it is not VRRP. The content is not trusted:
/// [`super::Advertisement::parse`] refuses its authentication type.
pub fn authentication_header_payload(payload: &[u8]) -> Option<&[u8]> {
    let (&next, &words) = (payload.first()?, payload.get(1)?);
    // RFC 4302 section 2.2: the length counts 32-bit words minus two.
    let len = (usize::from(words) + 2) * 4;
    if next != super::IP_PROTOCOL {
        return None;
    }
    payload.get(len..)
}
