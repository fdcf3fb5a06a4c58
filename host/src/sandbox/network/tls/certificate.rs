//! What stands in a certificate, of which rustls keeps nothing to show. Only read: whom to believe is not decided here.

use std::cmp::Ordering;

use der::asn1::{AnyRef, BitStringRef, GeneralizedTime, ObjectIdentifier, UtcTime};
use der::{Decode, ErrorKind, Reader, SliceReader, Tag, TagNumber};

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ALTERNATIVE_NAMES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const NAME_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.30");

/// Where a certificate has its version and its extensions. Version 1 has neither.
const VERSION: u8 = 0;
const EXTENSIONS: u8 = 3;

/// Which bit of the key's usage it is.
const SIGNS_CERTIFICATES: usize = 5;

/// A certificate, taken apart. All of it is as its maker wrote it.
pub struct Certificate<'a> {
    /// What the signature is over.
    pub signed: &'a [u8],
    /// The names, as bytes: equal names are equal bytes.
    pub issuer: &'a [u8],
    pub subject: &'a [u8],
    /// The time in which it is valid, in seconds since 1970.
    pub not_before: u64,
    pub not_after: u64,
    /// The key with what says which kind it is, and both apart.
    pub key_info: &'a [u8],
    pub key_algorithm: &'a [u8],
    pub key: &'a [u8],
    pub signature_algorithm: &'a [u8],
    pub signature: &'a [u8],
    /// Whether it is of version 1.
    pub is_first_version: bool,
    extensions: Vec<(ObjectIdentifier, &'a [u8])>,
}

impl<'a> Certificate<'a> {
    /// Reads one; none of it where it is damaged.
    pub fn parse(bytes: &'a [u8]) -> Option<Certificate<'a>> {
        let mut reader = SliceReader::new(bytes).ok()?;
        let certificate = reader.sequence(certificate).ok()?;
        reader.is_finished().then_some(certificate)
    }

    /// How this time, in seconds since 1970, lies to that in which it is valid: before, within, after.
    pub fn validity_at(&self, now: u64) -> Ordering {
        match now {
            now if now < self.not_before => Ordering::Less,
            now if now > self.not_after => Ordering::Greater,
            _ => Ordering::Equal,
        }
    }

    /// Whether its key may sign other certificates. Version 1 can not say so: there, it is one that no other has signed.
    pub fn may_sign(&self) -> bool {
        if self.is_first_version {
            self.subject == self.issuer
        } else {
            self.is_authority() && self.is_key_for_signing()
        }
    }

    fn is_authority(&self) -> bool {
        let says_so = |constraints: &[u8]| {
            let mut reader = SliceReader::new(constraints)?;
            reader.sequence(|reader| {
                let authority =
                    if reader.is_finished() { false } else { reader.decode::<AnyRef<'_>>()?.decode_as()? };
                // How long the chain may be: it is the shortest there is.
                while !reader.is_finished() {
                    reader.decode::<AnyRef<'_>>()?;
                }
                Ok::<bool, der::Error>(authority)
            })
        };
        self.extension(BASIC_CONSTRAINTS).is_some_and(|constraints| says_so(constraints).unwrap_or(false))
    }

    /// What the key is for, where it says so. One that can not be read is for nothing.
    fn is_key_for_signing(&self) -> bool {
        let Some(usage) = self.extension(KEY_USAGE) else { return true };
        BitStringRef::from_der(usage).is_ok_and(|usage| usage.bits().nth(SIGNS_CERTIFICATES).unwrap_or(false))
    }

    /// Whether it bounds the names of those that it signs.
    pub fn bounds_names(&self) -> bool {
        self.extension(NAME_CONSTRAINTS).is_some()
    }

    /// Whether it has a list of names that it is for.
    pub fn lists_names(&self) -> bool {
        self.extension(ALTERNATIVE_NAMES).is_some()
    }

    fn extension(&self, wanted: ObjectIdentifier) -> Option<&'a [u8]> {
        self.extensions.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value)
    }

    /// The common name of its subject, the first of several: people wrote there what it is for, before there were lists of
    /// names.
    pub fn common_name(&self) -> Option<&'a str> {
        common_name(self.subject).unwrap_or_default()
    }
}

fn certificate<'a>(reader: &mut SliceReader<'a>) -> der::Result<Certificate<'a>> {
    let signed = reader.tlv_bytes()?;
    let signature_algorithm = content(reader, Tag::Sequence)?;
    let signature = bits(reader)?;
    let mut outer = SliceReader::new(signed)?;
    outer.sequence(|reader| {
        let is_first_version = !next_is(reader, VERSION);
        if !is_first_version {
            reader.tlv_bytes()?;
        }
        let _serial_number = reader.tlv_bytes()?;
        let _signature_algorithm = reader.tlv_bytes()?;
        let issuer = reader.tlv_bytes()?;
        let (not_before, not_after) = reader.sequence(|reader| Ok::<_, der::Error>((time(reader)?, time(reader)?)))?;
        let subject = reader.tlv_bytes()?;
        let key_info = reader.tlv_bytes()?;
        let mut key_reader = SliceReader::new(key_info)?;
        let (key_algorithm, key) =
            key_reader.sequence(|reader| Ok::<_, der::Error>((content(reader, Tag::Sequence)?, bits(reader)?)))?;
        let mut extensions = Vec::new();
        while !reader.is_finished() {
            let is_extensions = next_is(reader, EXTENSIONS);
            let field = reader.decode::<AnyRef<'_>>()?;
            if is_extensions {
                extensions = SliceReader::new(field.value())?.sequence(read_extensions)?;
            }
        }
        if is_first_version && !extensions.is_empty() {
            return Err(ErrorKind::Failed.into());
        }
        Ok(Certificate {
            signed,
            issuer,
            subject,
            not_before,
            not_after,
            key_info,
            key_algorithm,
            key,
            signature_algorithm,
            signature,
            is_first_version,
            extensions,
        })
    })
}

fn next_is(reader: &SliceReader<'_>, field: u8) -> bool {
    Tag::peek(reader).is_ok_and(
        |tag| matches!(tag, Tag::ContextSpecific { number, constructed: true } if number == TagNumber(field.into())),
    )
}

fn content<'a>(reader: &mut SliceReader<'a>, tag: Tag) -> der::Result<&'a [u8]> {
    let field = reader.decode::<AnyRef<'_>>()?;
    if der::Tagged::tag(&field) == tag { Ok(field.value()) } else { Err(ErrorKind::Failed.into()) }
}

fn bits<'a>(reader: &mut SliceReader<'a>) -> der::Result<&'a [u8]> {
    reader.decode::<BitStringRef<'a>>()?.as_bytes().ok_or_else(|| ErrorKind::Failed.into())
}

fn time(reader: &mut SliceReader<'_>) -> der::Result<u64> {
    Ok(match Tag::peek(reader)? {
        Tag::UtcTime => UtcTime::decode(reader)?.to_unix_duration(),
        _ => GeneralizedTime::decode(reader)?.to_unix_duration(),
    }
    .as_secs())
}

fn read_extensions<'a>(reader: &mut SliceReader<'a>) -> der::Result<Vec<(ObjectIdentifier, &'a [u8])>> {
    let mut extensions = Vec::new();
    while !reader.is_finished() {
        extensions.push(reader.sequence(|reader| {
            let name = reader.decode::<ObjectIdentifier>()?;
            if Tag::peek(reader)? == Tag::Boolean {
                let _critical = reader.decode::<bool>()?;
            }
            Ok::<_, der::Error>((name, content(reader, Tag::OctetString)?))
        })?);
    }
    Ok(extensions)
}

fn common_name(name: &[u8]) -> der::Result<Option<&str>> {
    let mut first: Option<&[u8]> = None;
    let mut reader = SliceReader::new(name)?;
    reader.sequence(|reader| {
        while !reader.is_finished() {
            let mut parts = SliceReader::new(content(reader, Tag::Set)?)?;
            while !parts.is_finished() {
                let (kind, value) = parts.sequence(|reader| {
                    Ok::<_, der::Error>((reader.decode::<ObjectIdentifier>()?, reader.decode::<AnyRef<'_>>()?))
                })?;
                if kind == COMMON_NAME {
                    first.get_or_insert(value.value());
                }
            }
        }
        Ok::<_, der::Error>(())
    })?;
    // Of the kinds of text those in which a name of a host is its ASCII.
    Ok(first.and_then(|text| std::str::from_utf8(text).ok()))
}
