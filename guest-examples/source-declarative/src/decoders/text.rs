//! Bytes in the encodings that a manifest may name, by Python's names of them. Knows nothing of what the text says.

use crate::manifest::{self, FromManifest, Node};

/// How a text is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    #[default]
    Utf8,
    /// UTF-8, with or without a mark before it.
    Utf8WithMark,
    Ascii,
    Latin1,
    Windows1252,
    /// By its mark, else of little endian.
    Utf16,
}

impl FromManifest for Encoding {
    fn from_manifest(node: &Node<'_>) -> manifest::Result<Self> {
        let name = node.read::<String>()?;
        Encoding::named(&name).ok_or_else(|| node.unsupported(format!("is {name:?}, which is not supported")))
    }
}

impl Encoding {
    pub fn named(name: &str) -> Option<Encoding> {
        match name.trim().to_ascii_lowercase().replace(['-', ' '], "_").as_str() {
            "utf_8" | "utf8" | "u8" => Some(Encoding::Utf8),
            "utf_8_sig" | "utf8_sig" => Some(Encoding::Utf8WithMark),
            "ascii" | "us_ascii" | "646" => Some(Encoding::Ascii),
            "latin_1" | "latin1" | "latin" | "l1" | "iso_8859_1" | "iso8859_1" | "8859" | "cp819" => {
                Some(Encoding::Latin1)
            }
            "cp1252" | "windows_1252" | "1252" => Some(Encoding::Windows1252),
            "utf_16" | "utf16" | "u16" => Some(Encoding::Utf16),
            _ => None,
        }
    }

    /// The text. None where the bytes are none in this encoding.
    pub fn decode(self, bytes: &[u8]) -> Option<String> {
        match self {
            Encoding::Utf8 => std::str::from_utf8(bytes).ok().map(str::to_owned),
            Encoding::Utf8WithMark => Encoding::Utf8.decode(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)),
            Encoding::Ascii => bytes.is_ascii().then(|| bytes.iter().copied().map(char::from).collect()),
            Encoding::Latin1 => Some(bytes.iter().copied().map(char::from).collect()),
            Encoding::Windows1252 => bytes.iter().copied().map(windows_1252).collect(),
            Encoding::Utf16 => utf_16(bytes),
        }
    }
}

/// From 0x80 to 0x9f; the rest is as in Latin 1.
const WINDOWS_1252: &str = "€\0‚ƒ„…†‡ˆ‰Š‹Œ\0Ž\0\0‘’“”•–—˜™š›œ\0žŸ";

fn windows_1252(byte: u8) -> Option<char> {
    match byte {
        0x80..=0x9f => WINDOWS_1252.chars().nth(usize::from(byte - 0x80)).filter(|letter| *letter != '\0'),
        _ => Some(char::from(byte)),
    }
}

fn utf_16(bytes: &[u8]) -> Option<String> {
    let (bytes, is_big_endian) = match bytes {
        [0xfe, 0xff, rest @ ..] => (rest, true),
        [0xff, 0xfe, rest @ ..] => (rest, false),
        _ => (bytes, false),
    };
    let unit = |pair| if is_big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) };
    let units: Option<Vec<u16>> = bytes.chunks(2).map(|pair| pair.try_into().ok().map(unit)).collect();
    String::from_utf16(&units?).ok()
}
