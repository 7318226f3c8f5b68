//! The disk under the database: kind, room, and how long a sync takes; and whether the database is whole.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::finding::{Finding, Verdict};
use crate::clock::Clock;
use crate::store::inspect::{Standing, free_bytes, inspect};

/// Room below which somebody should act. A city of 8,000 lifts writes less in a month.
const ROOM: u64 = 2 << 30;

/// Syncs that are timed.
const SYNCS: usize = 20;

/// A commit waits for a sync; above this one the backlog of a busy minute takes long to clear.
const SLOW: Duration = Duration::from_millis(50);

/// A single sync that holds everything up for so long.
const STALL: Duration = Duration::from_secs(1);

/// File systems on which SQLite's locks or its shared memory do not hold.
const NETWORK: [&str; 11] =
    ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "fuse.glusterfs", "fuse.sshfs", "afs"];

/// File systems that are gone after a power cut.
const MEMORY: [&str; 2] = ["tmpfs", "ramfs"];

/// Everything about the place of this database.
pub async fn examine(store: &Path, clock: &dyn Clock) -> Vec<Finding> {
    let about = format!("store {}", store.display());
    let folder = store.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = match folder.canonicalize() {
        Ok(folder) => folder,
        Err(error) => {
            let says =
                format!("its folder {} cannot be used ({error}); make it, or change [store] path", folder.display());
            return vec![Finding::new(Verdict::Failed, &about, says)];
        }
    };
    let kind = match std::fs::read_to_string("/proc/mounts") {
        Ok(mounts) => kind(&mounts, &folder),
        Err(_) => None,
    };
    vec![
        place(&about, kind.as_deref()),
        room(&about, &folder),
        syncs(&about, &folder, clock),
        whole(&about, store).await,
    ]
}

/// The kind of the file system that holds a folder, by the mounts that the kernel lists.
fn kind(mounts: &str, folder: &Path) -> Option<String> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        // The kernel writes a space in a path as \040.
        let point = PathBuf::from(words.next()?.replace("\\040", " "));
        folder.starts_with(&point).then_some((point.components().count(), words.next()?.to_owned()))
    });
    // Of two mounts on one point the later one hides the other.
    mounts.max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

fn place(about: &str, kind: Option<&str>) -> Finding {
    match kind {
        Some(kind) if NETWORK.contains(&kind) => Finding::new(
            Verdict::Change,
            about,
            format!(
                "lies on a network file system ({kind}), where SQLite's locks do not hold: move it to a local disk"
            ),
        ),
        Some(kind) if MEMORY.contains(&kind) => Finding::new(
            Verdict::Change,
            about,
            format!("lies in memory ({kind}): a power cut takes all of it; move it to a disk"),
        ),
        Some(kind) => Finding::new(Verdict::Good, about, format!("lies on {kind}")),
        None => Finding::new(Verdict::Untried, about, "its file system: the kernel's list of mounts does not name it"),
    }
}

fn room(about: &str, folder: &Path) -> Finding {
    let free = match free_bytes(folder) {
        Ok(free) => free,
        Err(error) => return Finding::new(Verdict::Failed, about, format!("its free space cannot be read: {error}")),
    };
    let gib = free as f64 / f64::from(1 << 30);
    if free < ROOM {
        let says = format!("{gib:.1} GiB are free: make room before the daemon waits for it; 2 GiB is the least");
        return Finding::new(Verdict::Change, about, says);
    }
    Finding::new(Verdict::Good, about, format!("{gib:.1} GiB are free"))
}

fn syncs(about: &str, folder: &Path, clock: &dyn Clock) -> Finding {
    let path = folder.join(format!(".liftwatch-doctor-{:012x}", fastrand::u64(..1 << 48)));
    let times = OpenOptions::new().write(true).create_new(true).open(&path).and_then(|file| timed(file, clock));
    // What it cannot remove it could not make either.
    drop(std::fs::remove_file(&path));
    let mut times = match times {
        Ok(times) => times,
        Err(error) => {
            let says = format!("a file in {} cannot be written ({error}); let our user write there", folder.display());
            return Finding::new(Verdict::Failed, about, says);
        }
    };
    times.sort_unstable();
    let (median, longest) = (times[SYNCS / 2], times[SYNCS - 1]);
    let told = format!(
        "{SYNCS} syncs take {:.2} ms in the middle, {:.2} ms at most",
        median.as_secs_f64() * 1e3,
        longest.as_secs_f64() * 1e3
    );
    if median > SLOW || longest > STALL {
        let says = format!("{told}: every commit waits for one; use a faster disk, or give it fewer other tasks");
        return Finding::new(Verdict::Change, about, says);
    }
    Finding::new(Verdict::Good, about, told)
}

fn timed(mut file: File, clock: &dyn Clock) -> std::io::Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        file.write_all(&[0; 4096])?;
        let began = clock.monotonic();
        file.sync_all()?;
        times.push(clock.monotonic().saturating_sub(began));
    }
    Ok(times)
}

async fn whole(about: &str, store: &Path) -> Finding {
    match inspect(store).await {
        Ok(Standing::Absent) => Finding::new(Verdict::Good, about, "is not there yet; the first start makes it"),
        Ok(Standing::InUse) => {
            Finding::new(Verdict::Untried, about, "a running daemon has it, and checked it when it started")
        }
        Ok(Standing::Whole) => Finding::new(Verdict::Good, about, "SQLite finds it whole"),
        Ok(Standing::Damaged(fault)) => {
            let says = format!("is damaged ({fault}): restore the last backup (docs/OPERATIONS.md, Exit 70)");
            Finding::new(Verdict::Failed, about, says)
        }
        Err(error) => Finding::new(Verdict::Failed, about, format!("cannot be checked: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_mount_tells_the_kind_of_file_system() {
        let mounts = "/dev/sda1 / ext4 rw 0 0\nhost:/x /srv/lift nfs4 rw 0 0\ntmpfs /srv/my\\040city tmpfs rw 0 0\n";
        let kind = |folder: &str| kind(mounts, Path::new(folder)).unwrap();
        assert_eq!(kind("/var/lib"), "ext4");
        assert_eq!(kind("/srv/lift/db"), "nfs4");
        assert_eq!(kind("/srv/liftwatch"), "ext4");
        assert_eq!(kind("/srv/my city/db"), "tmpfs");
    }

    #[test]
    fn a_network_and_a_memory_file_system_are_to_be_left() {
        for (kind, verdict) in [("nfs4", Verdict::Change), ("tmpfs", Verdict::Change), ("xfs", Verdict::Good)] {
            assert_eq!(place("store", Some(kind)).verdict, verdict, "{kind}");
        }
    }
}
