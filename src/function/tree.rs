//! The descendants of a process, as the kernel lists them (`/proc`, proc(5)).
//!
//! Processes come and go while they are read: what is answered was true of each at some moment. Who
//! needs all of them asks again until nothing is left.

use std::fs;
use std::path::Path;

/// The descendants of `root`, without itself.
#[must_use]
pub(super) fn descendants(root: u32) -> Vec<u32> {
    let lists_children = Path::new("/proc/thread-self/children").exists();
    let parents = if lists_children { Vec::new() } else { read_parents() };
    let mut found = Vec::new();
    let mut unread = vec![root];
    while let Some(pid) = unread.pop() {
        let children = match lists_children {
            true => children_of(pid),
            false => parents.iter().filter(|(_, parent)| *parent == pid).map(|one| one.0).collect(),
        };
        // A number that was given out anew meanwhile may come twice.
        let new: Vec<u32> = children.into_iter().filter(|one| !found.contains(one)).collect();
        found.extend_from_slice(&new);
        unread.extend(new);
    }
    found
}

/// Each thread lists the children that it started itself.
fn children_of(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace().filter_map(|one| one.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

/// Every process with its parent, for kernels that list no children.
fn read_parents() -> Vec<(u32, u32)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pairs = entries.filter_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        Some((pid, parent_of(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))
    });
    pairs.collect()
}

/// The name before it, in brackets, may have brackets and spaces of its own.
fn parent_of(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// What these processes have in memory by themselves, in bytes: not the files that they have mapped,
/// which the kernel shares and gives up when it must.
#[must_use]
pub(super) fn memory_bytes(pids: impl IntoIterator<Item = u32>) -> u64 {
    let status = |pid| fs::read_to_string(format!("/proc/{pid}/status")).ok();
    pids.into_iter().filter_map(status).map(|status| own_memory_bytes(&status)).sum()
}

fn own_memory_bytes(status: &str) -> u64 {
    let counted = |line: &str| OWN_MEMORY.iter().any(|name| line.starts_with(name));
    let kib = |line: &str| line.split_whitespace().nth(1)?.parse::<u64>().ok();
    status.lines().filter(|line| counted(line)).filter_map(kib).sum::<u64>() * 1_024
}

const OWN_MEMORY: [&str; 3] = ["RssAnon:", "RssShmem:", "VmSwap:"];

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_parent_is_read_behind_any_name() {
        assert_eq!(parent_of("7 (a) b) (c) S 42 7 7 0"), Some(42));
        assert_eq!(parent_of("7 (a"), None);
    }

    #[test]
    fn memory_is_what_is_ones_own() {
        let status = "Name:\tx\nVmRSS:\t  900 kB\nRssAnon:\t     100 kB\nRssFile:\t 500 kB\n\
                      RssShmem:\t 10 kB\nVmSwap:\t 1 kB\n";
        assert_eq!(own_memory_bytes(status), 111 * 1_024);
        assert!(memory_bytes([std::process::id()]) > 100 * 1_024);
        assert_eq!(memory_bytes([u32::MAX]), 0);
    }

    #[test]
    fn grandchildren_are_found_both_ways() {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 60 & echo $!; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let mut line = String::new();
        let out = shell.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("read");
        let grandchild: u32 = line.trim().parse().expect("a number");
        let found = descendants(std::process::id());
        assert!(found.contains(&shell.id()) && found.contains(&grandchild), "{found:?}");
        assert!(read_parents().contains(&(grandchild, shell.id())));
        assert_eq!(descendants(shell.id()), [grandchild]);
        crate::sys::send_signal(grandchild, crate::sys::Signal::Kill).expect("sent");
        shell.wait().expect("ended");
    }
}
