//! What makes equal content equal bytes: one form of JSON for each document, and the digest of bytes. Must not know what they mean.

use std::io;

use oci_spec::image::{Digest, Sha256Digest};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// The document with the keys of its objects in order, for the maps of `oci-spec` have none.
pub fn json(document: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut value = serde_json::to_value(document)?;
    value.sort_all_objects();
    Ok(serde_json::to_vec(&value)?)
}

/// The SHA-256 digest of these bytes.
pub fn digest(bytes: &[u8]) -> Digest {
    finish(Sha256::new_with_prefix(bytes))
}

/// The digest of all that a hasher was given.
pub fn finish(hasher: Sha256) -> Digest {
    let hexadecimal = format!("{:x}", hasher.finalize());
    hexadecimal.parse::<Sha256Digest>().expect("SHA-256 is 64 hexadecimal digits").into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn maps_that_are_equal_are_equal_bytes() {
        let names: Vec<String> = (0..100).map(|number| format!("label-{number}")).collect();
        type Map<'a> = HashMap<&'a str, HashMap<&'a str, u8>>;
        let one: Map =
            names.iter().map(|name| (name.as_str(), HashMap::from([(name.as_str(), 1), ("a", 2)]))).collect();
        for _ in 0..10 {
            // Each map has an order of its own.
            let other: Map = one.iter().map(|(name, inner)| (*name, inner.clone().into_iter().collect())).collect();
            assert_eq!(json(&one).unwrap(), json(&other).unwrap());
        }
        assert!(
            json(&one)
                .unwrap()
                .starts_with(br#"{"label-0":{"a":2,"label-0":1},"label-1":{"a":2,"label-1":1},"label-10":"#)
        );
    }

    #[test]
    fn a_digest_is_that_of_sha256() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest(b"").as_ref(), empty);
    }
}
