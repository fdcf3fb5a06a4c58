//! Whether a file is a program that starts in an image without a C library: an ELF file for the image's processor which asks for
//! no dynamic loader.

use airlock_images::Platform;
use anyhow::{Context, Result, bail};

/// The entry of a program header that names a dynamic loader.
const PT_INTERP: u32 = 3;

/// Refuses what does not start in an image for a platform.
pub fn check(program: &[u8], platform: Platform) -> Result<()> {
    if !program.starts_with(b"\x7fELF\x02\x01") {
        bail!("it is no program for Linux");
    }
    let machine = u16::from_le_bytes(field(program, 18)?);
    let expected = match platform {
        Platform::LinuxAmd64 => 62,
        Platform::LinuxArm64 => 183,
    };
    if machine != expected {
        bail!("it is for another processor (ELF machine {machine}, and {platform} is {expected})");
    }
    let start = usize::try_from(u64::from_le_bytes(field(program, 32)?))?;
    let size = usize::from(u16::from_le_bytes(field(program, 54)?));
    let count = usize::from(u16::from_le_bytes(field(program, 56)?));
    for index in 0..count {
        let header = start.checked_add(index * size).context("its program headers are nowhere")?;
        if u32::from_le_bytes(field(program, header)?) == PT_INTERP {
            bail!("it is linked dynamically, and the image has no C library");
        }
    }
    Ok(())
}

fn field<const SIZE: usize>(program: &[u8], at: usize) -> Result<[u8; SIZE]> {
    let bytes = at.checked_add(SIZE).and_then(|end| program.get(at..end)).context("it is cut off")?;
    Ok(bytes.try_into()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header, and one program header of a type.
    fn program(machine: u16, kind: u32) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[32..40].copy_from_slice(&64u64.to_le_bytes());
        bytes[54..56].copy_from_slice(&56u16.to_le_bytes());
        bytes[56..58].copy_from_slice(&1u16.to_le_bytes());
        bytes[64..68].copy_from_slice(&kind.to_le_bytes());
        bytes
    }

    #[test]
    fn a_static_program_of_the_platform_is_accepted() {
        check(&program(62, 1), Platform::LinuxAmd64).expect("static");
        check(&program(183, 1), Platform::LinuxArm64).expect("static");
    }

    #[test]
    fn what_would_not_start_is_refused() {
        let refused = |program: &[u8]| check(program, Platform::LinuxAmd64).expect_err("refused").to_string();
        assert!(refused(b"#!/bin/sh\n").contains("no program"));
        assert!(refused(&program(183, 1)).contains("another processor"));
        assert!(refused(&program(62, PT_INTERP)).contains("dynamically"));
        assert!(refused(&program(62, 1)[..60]).contains("cut off"));
    }

    #[test]
    fn the_tests_own_program_is_linked_dynamically() {
        let program = std::fs::read(std::env::current_exe().expect("a path")).expect("readable");
        let platform = if cfg!(target_arch = "aarch64") { Platform::LinuxArm64 } else { Platform::LinuxAmd64 };
        let dynamic = cfg!(all(target_os = "linux", target_env = "gnu"));
        assert_eq!(check(&program, platform).is_err(), dynamic || !cfg!(target_os = "linux"));
    }
}
