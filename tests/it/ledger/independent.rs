//! Proofs of the built program, checked by code that nobody here wrote: the libraries of Go's checksum database.

use std::path::{Path, PathBuf};
use std::process::Command;

use liftwatch::ledger::tree::{Place, tile_bytes};

use super::chronicle::Chronicle;
use crate::process::run;

/// Go's verifier, built once from tests/independent with Debian's packages.
struct Verifier {
    folder: tempfile::TempDir,
}

impl Verifier {
    fn build() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/independent/verify.go");
        let built = Command::new("go")
            .args(["build", "-o"])
            .arg(folder.path().join("verify"))
            .arg(source)
            // The libraries lie where Debian's package puts them; nothing is fetched.
            .envs([("GO111MODULE", "off"), ("GOPATH", "/usr/share/gocode"), ("GOFLAGS", ""), ("CGO_ENABLED", "0")])
            .env("GOCACHE", folder.path().join("cache"))
            .output()
            .expect("go, from the package golang-go");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Self { folder }
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Whether Go believes it, and what it says.
    fn says(&self, what: &str, files: &[&Path]) -> (bool, String) {
        let said = Command::new(self.folder.path().join("verify")).arg(what).args(files).output().unwrap();
        (said.status.success(), String::from_utf8_lossy(&said.stderr).into_owned())
    }
}

#[tokio::test]
async fn go_s_checksum_database_libraries_accept_our_proofs_and_refuse_edited_ones() {
    let (file, city) = Chronicle::written().await.into_file().await;
    let go = Verifier::build();
    let db = file.to_str().unwrap();
    let key = go.write("key", city.public.to_string().as_bytes());
    for index in ["0", "57", "100"] {
        let proof = run(&["ledger", "prove", index, "--db", db]).exits(0).out;
        let leaf = run(&["ledger", "prove", index, "--leaf", "--db", db]).exits(0).out;
        let good = go.write("proof", proof.as_bytes());
        let entry = go.write("leaf", leaf.as_bytes());
        assert_eq!(go.says("inclusion", &[&key, &good, &entry]), (true, String::new()), "{proof}");

        let edited = go.write("edited", leaf.replacen("\"kind\"", "\"kinD\"", 1).as_bytes());
        assert!(!go.says("inclusion", &[&key, &good, &edited]).0, "an edited leaf");
        let size = city.public.open(city.notes.last().unwrap()).unwrap().size;
        let wrong = proof.replacen(&format!("\n{size}\n"), &format!("\n{}\n", size + 1), 1);
        assert_ne!(wrong, proof);
        let wrong = go.write("wrong", wrong.as_bytes());
        assert!(!go.says("inclusion", &[&key, &wrong, &entry]).0, "an edited checkpoint");
        let elsewhere = proof.replacen(&format!("index {index}\n"), "index 3\n", 1);
        let elsewhere = go.write("elsewhere", elsewhere.as_bytes());
        assert!(!go.says("inclusion", &[&key, &elsewhere, &entry]).0, "a wrong index");
    }

    let (old, new) = (go.write("old", city.notes[3].as_bytes()), go.write("new", city.notes[9].as_bytes()));
    let size = |note: &str| city.public.open(note).unwrap().size.to_string();
    let (from, to) = (size(&city.notes[3]), size(&city.notes[9]));
    let path = run(&["ledger", "consistency", &from, &to, "--db", db]).exits(0).out;
    let path = go.write("path", path.as_bytes());
    assert_eq!(go.says("consistency", &[&key, &old, &new, &path]), (true, String::new()));
    let other = go.write("other", city.notes[4].as_bytes());
    assert!(!go.says("consistency", &[&key, &other, &new, &path]).0, "another history");

    // The tree itself, as tiles are served.
    let head = city.public.open(&city.notes[9]).unwrap();
    let tile = city.reader().await.tile(Place { level: 0, number: 0 }, head.size as usize).await.unwrap().unwrap();
    let bytes = go.write("tile", &tile_bytes(&tile));
    assert_eq!(go.says("tile", &[&key, &new, &bytes]), (true, String::new()));
    let mut edited = tile_bytes(&tile);
    edited[40] ^= 1;
    let edited = go.write("edited tile", &edited);
    assert!(!go.says("tile", &[&key, &new, &edited]).0, "an edited tile");
}
