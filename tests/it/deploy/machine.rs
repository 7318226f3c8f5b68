//! A machine of its own for one script: this machine's files below an overlay, a network and processes of its own, and a real
//! systemd as its first process. Nothing that is done in it remains, and real paths and ports need no substitutes. Wants root.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use crate::process::until_within;

/// The longest that a script may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Lays the overlay in memory and boots it. $1 is a folder for it, $2 one that holds the script and takes what it says.
const BOOT: &str = "set -e
ip link set lo up
mount --make-rprivate /
mount -t tmpfs -o size=6g tmpfs \"$1\"
mkdir \"$1/up\" \"$1/work\" \"$1/root\"
mount -t overlay overlay -o \"lowerdir=/,upperdir=$1/up,workdir=$1/work\" \"$1/root\"
root=\"$1/root\"
# A copy of its own, as of now: somebody may install something on the machine below.
cp -a /var/lib/dpkg \"$1/dpkg\"
rm -f \"$1\"/dpkg/updates/*
mount --bind \"$1/dpkg\" \"$root/var/lib/dpkg\"
echo force-unsafe-io > \"$root/etc/dpkg/dpkg.cfg.d/test\"
: > \"$root/etc/fstab\"
mount -t proc proc \"$root/proc\"
# The kernel is everybody's: its settings cannot be changed from here.
mount --bind \"$root/proc/sys\" \"$root/proc/sys\"
mount -o remount,bind,ro \"$root/proc/sys\"
mount -t sysfs -o ro sysfs \"$root/sys\"
mount -t cgroup2 cgroup2 \"$root/sys/fs/cgroup\"
mount -t tmpfs tmpfs \"$root/run\"
mount -t tmpfs tmpfs \"$root/tmp\"
mount -t tmpfs -o mode=755 tmpfs \"$root/dev\"
for node in null zero full random urandom tty; do
    : > \"$root/dev/$node\"
    mount --bind \"/dev/$node\" \"$root/dev/$node\"
done
mkdir \"$root/dev/pts\" \"$root/dev/shm\"
mount -t devpts -o newinstance,ptmxmode=666 devpts \"$root/dev/pts\"
ln -s pts/ptmx \"$root/dev/ptmx\"
ln -s /proc/self/fd \"$root/dev/fd\"
ln -s fd/0 \"$root/dev/stdin\"
ln -s fd/1 \"$root/dev/stdout\"
ln -s fd/2 \"$root/dev/stderr\"
mkdir -p \"$root/test\" \"$root/old\"
mount --bind \"$2\" \"$root/test\"
THINGS
cat > \"$root/etc/systemd/system/script.service\" <<END
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
TimeoutStartSec=infinity
Environment=HOME=/root DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
StandardOutput=file:/test/stdout
StandardError=file:/test/stderr
ExecStart=/bin/bash -c 'systemctl start systemd-journald; /bin/bash -euo pipefail /test/script; echo \\$? > /test/code.new; journalctl --no-pager --lines 60 > /test/journal; mv /test/code.new /test/code'
END
# A root that is left behind, and not only hidden: the kernel gives no user namespaces below a mere chroot.
cd \"$root\"
pivot_root . old
umount -l /old
# As a boot does, and a manager that finds itself in a container does not: systemd hands credentials over by a mount that
# it makes elsewhere and that must come here.
mount --make-rshared /
exec setpriv --bounding-set=-sys_module,-sys_time,-sys_boot,-syslog,-sys_rawio env container=lxc /lib/systemd/systemd --system --unit=script.service --log-level=warning
";

/// Runs a script as root of such a machine. `things` are files of ours that it finds at these places.
pub fn run(script: &str, things: &[(&Path, &str)]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let (root, test) = (dir.path().join("machine"), dir.path().join("test"));
    std::fs::create_dir(&root).unwrap();
    std::fs::create_dir(&test).unwrap();
    std::fs::write(test.join("script"), script).unwrap();
    let thing = |(from, place): &(&Path, &str)| {
        format!("mkdir -p \"$(dirname \"$root{place}\")\"\ncp -r {} \"$root{place}\"", from.display())
    };
    let boot = BOOT.replace("THINGS", &things.iter().map(thing).collect::<Vec<_>>().join("\n"));
    let log = std::fs::File::create(dir.path().join("boot")).unwrap();
    let mut machine = Command::new("unshare")
        .args([
            "--mount",
            "--pid",
            "--net",
            "--ipc",
            "--uts",
            "--cgroup",
            "--kill-child",
            "--fork",
            "sh",
            "-c",
            &boot,
            "boot",
        ])
        .args([&root, &test])
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .expect("unshare: of util-linux, and root");
    until_within(PATIENCE, "the script ends", || {
        if let Some(status) = machine.try_wait().unwrap() {
            let said = std::fs::read_to_string(dir.path().join("boot")).unwrap();
            panic!("the machine does not boot ({status}): {said}");
        }
        test.join("code").exists()
    });
    // Its first process goes with it, and all others with that one.
    machine.kill().unwrap();
    machine.wait().unwrap();
    let read = |name: &str| std::fs::read(test.join(name)).unwrap_or_default();
    let mut complained = read("stderr");
    complained.extend(read("journal"));
    let code: i32 = String::from_utf8(read("code")).unwrap().trim().parse().unwrap();
    Output { status: ExitStatus::from_raw(code << 8), stdout: read("stdout"), stderr: complained }
}

/// As [`run`]; what it said, once it was content.
pub fn runs(script: &str, things: &[(&Path, &str)]) -> String {
    let output = run(script, things);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}\nstdout:\n{said}\nstderr:\n{complained}", output.status);
    said
}
