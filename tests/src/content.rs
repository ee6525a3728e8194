//! Bytes to transfer: the same for the same name, different for different names,
//! so that data from the wrong server shows in the hash.

use sha2::{Digest, Sha256};

/// What a file holds, with its hash.
#[derive(Clone, Debug)]
pub struct Content {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
}

impl Content {
    /// `length` bytes that follow from `name`.
    #[must_use]
    pub fn generate(name: &str, length: usize) -> Self {
        // xorshift64*, seeded with the name; a state of zero would stay zero.
        let seed = Sha256::digest(name.as_bytes());
        let mut state = seed.iter().take(8).fold(1_u64, |state, byte| (state << 8) | u64::from(*byte)) | 1;
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            bytes.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
        }
        bytes.truncate(length);
        let sha256 = hex(&Sha256::digest(&bytes));
        Self { bytes, sha256 }
    }
}

/// A hash that grows with what is read.
#[derive(Clone, Debug, Default)]
pub struct Hash(Sha256);

impl Hash {
    /// Take in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all that was taken in, in hexadecimal.
    #[must_use]
    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// SHA-256 of `bytes`, in hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_follows_from_its_name_and_differs_between_names() {
        let one = Content::generate("rs1", 1001);
        assert_eq!(one.bytes.len(), 1001);
        assert_eq!(one.sha256, Content::generate("rs1", 1001).sha256);
        assert_ne!(one.sha256, Content::generate("rs2", 1001).sha256);
    }

    #[test]
    fn the_hash_is_sha_256() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(b""), empty);
        assert_eq!(Hash::default().finish(), empty);
    }
}
