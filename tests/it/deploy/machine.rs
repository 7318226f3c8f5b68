//! A machine of its own for one script: this machine's files below an overlay, a network and processes of its own. Nothing
//! that is done in it remains, and real paths and ports need no substitutes. Wants root.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Lays the overlay in memory and runs `script` in it. What the script starts ends with it.
const LAY: &str = "set -e
ip link set lo up
mount -t tmpfs -o size=6g tmpfs \"$1\"
mkdir \"$1/up\" \"$1/work\" \"$1/root\"
mount -t overlay overlay -o \"lowerdir=/,upperdir=$1/up,workdir=$1/work\" \"$1/root\"
mount -t proc proc \"$1/root/proc\"
# A copy of its own, as of now: somebody may install something on the machine below.
cp -a /var/lib/dpkg \"$1/dpkg\"
rm -f \"$1\"/dpkg/updates/*
mount --bind \"$1/dpkg\" \"$1/root/var/lib/dpkg\"
mount -t tmpfs tmpfs \"$1/root/run\"
mount --bind /dev \"$1/root/dev\"
echo force-unsafe-io > \"$1/root/etc/dpkg/dpkg.cfg.d/test\"
THINGS
cp \"$2\" \"$1/root/script\"
exec chroot \"$1/root\" /bin/bash -euo pipefail /script
";

/// Runs a script as root of such a machine. `things` are files of ours that it finds at these places.
pub fn run(script: &str, things: &[(&Path, &str)]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let thing = |(from, place): &(&Path, &str)| {
        let to = format!("\"$1/root{place}\"");
        format!("mkdir -p \"$(dirname {to})\"\ncp -r {} {to}", from.display())
    };
    let lay = LAY.replace("THINGS", &things.iter().map(thing).collect::<Vec<_>>().join("\n"));
    let file = dir.path().join("script");
    std::fs::write(&file, script).unwrap();
    let root = dir.path().join("machine");
    std::fs::create_dir(&root).unwrap();
    Command::new("unshare")
        .args(["--mount", "--pid", "--net", "--ipc", "--uts", "--kill-child", "--fork", "sh", "-c", &lay, "lay"])
        .arg(&root)
        .arg(&file)
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .expect("unshare: of util-linux, and root")
}

/// As [`run`]; what it said, once it was content.
pub fn runs(script: &str, things: &[(&Path, &str)]) -> String {
    let output = run(script, things);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}\nstdout:\n{said}\nstderr:\n{complained}", output.status);
    said
}
