//! How much memory the container (or whatever else the kernel's control groups stand for) gives to this process.
//! Knows nothing of guests.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

/// More than this is the kernel's way of saying that there is no limit.
const NO_LIMIT: usize = 1 << 60;

/// The least of the limits that this process stands under, in bytes; none where there is none, or no control groups. The kernel is
/// asked once.
pub fn memory_limit() -> Option<usize> {
    static LIMIT: OnceLock<Option<usize>> = OnceLock::new();
    *LIMIT.get_or_init(|| {
        let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
        limit_below(Path::new("/sys/fs/cgroup"), &membership)
    })
}

/// `membership` is the kernel's list of the groups of a process, `root` where the groups are mounted. In a container the paths of the
/// list may be those of the machine, which are not there: what the root says counts in any case.
fn limit_below(root: &Path, membership: &str) -> Option<usize> {
    let mut least = None;
    for line in membership.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let (mounted, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => (root.join("memory"), "memory.limit_in_bytes"),
            _ => continue,
        };
        let group = mounted.join(group.trim_start_matches('/'));
        for place in group.ancestors().take_while(|place| place.starts_with(&mounted)) {
            // "max" is no number, and no limit.
            let limit = fs::read_to_string(place.join(file)).ok().and_then(|text| text.trim().parse().ok());
            least = [least, limit].into_iter().flatten().filter(|limit| *limit < NO_LIMIT).min();
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(files: &[(&str, &str)], membership: &str) -> Option<usize> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        limit_below(root.path(), membership)
    }

    #[test]
    fn the_least_limit_of_a_group_and_those_above_it_counts() {
        let files = [("pods/memory.max", "1000\n"), ("pods/one/memory.max", "max\n"), ("memory.max", "5000\n")];
        assert_eq!(limit(&files, "0::/pods/one\n"), Some(1000));
        assert_eq!(limit(&files, "0::/\n"), Some(5000));
        assert_eq!(limit(&files, "0::/elsewhere/on/the/machine\n"), Some(5000));
        assert_eq!(limit(&[("memory.max", "max\n")], "0::/\n"), None);
        assert_eq!(limit(&[], "0::/\n"), None);
    }

    #[test]
    fn the_first_version_of_control_groups_is_read_as_well() {
        let files = [
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/docker/x/memory.limit_in_bytes", "700\n"),
        ];
        let membership = "12:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n0::/\n";
        assert_eq!(limit(&files, membership), Some(700));
        assert_eq!(limit(&files, "4:memory:/\n"), None);
        assert_eq!(limit(&files, "nonsense\n:\n"), None);
    }
}
