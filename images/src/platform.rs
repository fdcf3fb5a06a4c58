//! The platforms that images are made for.

use std::fmt;
use std::str::FromStr;

/// An operating system and a processor, by the names that container engines have for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// `linux/amd64`
    LinuxAmd64,
    /// `linux/arm64`
    LinuxArm64,
}

impl Platform {
    /// All of them, in the order in which an index has them.
    pub const ALL: [Platform; 2] = [Platform::LinuxAmd64, Platform::LinuxArm64];

    /// As in the `architecture` of an image's configuration.
    pub fn architecture(self) -> &'static str {
        match self {
            Platform::LinuxAmd64 => "amd64",
            Platform::LinuxArm64 => "arm64",
        }
    }

    /// As wasmtime and rustc call it.
    pub fn target(self) -> &'static str {
        match self {
            Platform::LinuxAmd64 => "x86_64-unknown-linux-gnu",
            Platform::LinuxArm64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// By the fields of an image's configuration. None for platforms that no image is made for.
    pub fn of(os: &str, architecture: &str) -> Option<Platform> {
        Platform::ALL.into_iter().find(|platform| os == "linux" && architecture == platform.architecture())
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "linux/{}", self.architecture())
    }
}

impl FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Platform, String> {
        match text {
            "linux/amd64" => Ok(Platform::LinuxAmd64),
            // All 64-bit ARM processors that run Linux are of variant v8, and some tools say so.
            "linux/arm64" | "linux/arm64/v8" => Ok(Platform::LinuxArm64),
            _ => Err("the platforms are linux/amd64 and linux/arm64".to_owned()),
        }
    }
}
