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

    /// By the fields of an image's configuration. None for platforms that no image is made for, and for variants of these that
    /// need more of a processor than all of them have.
    pub fn of(os: &str, architecture: &str, variant: Option<&str>) -> Option<Platform> {
        let platform = Platform::ALL.into_iter().find(|platform| architecture == platform.architecture())?;
        let least = match platform {
            Platform::LinuxAmd64 => "v1",
            // All 64-bit ARM processors that run Linux.
            Platform::LinuxArm64 => "v8",
        };
        (os == "linux" && variant.is_none_or(|variant| variant.is_empty() || variant == least)).then_some(platform)
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
        let mut parts = text.splitn(3, '/');
        let (os, architecture, variant) = (parts.next(), parts.next(), parts.next());
        Platform::of(os.unwrap_or_default(), architecture.unwrap_or_default(), variant)
            .filter(|_| !text.ends_with('/'))
            .ok_or_else(|| "the platforms are linux/amd64 and linux/arm64".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_known_by_their_names() {
        for platform in Platform::ALL {
            assert_eq!(platform.to_string().parse(), Ok(platform));
        }
        assert_eq!("linux/arm64/v8".parse(), Ok(Platform::LinuxArm64));
        assert_eq!("linux/amd64/v1".parse(), Ok(Platform::LinuxAmd64));
        let others = ["", "amd64", "linux", "linux/", "linux/arm", "windows/amd64", "windows/amd64/v1", "linux/amd64/"];
        for other in others.into_iter().chain(["linux/amd64/v3", "linux/arm64/v9", "linux/amd64/v1/x", "Linux/amd64"]) {
            assert!(other.parse::<Platform>().is_err(), "{other}");
        }
    }
}
