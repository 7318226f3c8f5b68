// Verify checks liftwatch's proofs with the libraries of Go's checksum database, and with nothing of liftwatch.
//
//	verify inclusion   KEY PROOF LEAF       a c2sp.org/tlog-proof and the entry's bytes
//	verify consistency KEY OLD NEW HASHES   two checkpoints, and one hash a line
//	verify tile        KEY CHECKPOINT TILE  a level 0 tile that is the whole tree
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type tree struct {
	size int64
	root tlog.Hash
}

func read(path string) string {
	bytes, err := os.ReadFile(path)
	if err != nil {
		fail(err)
	}
	return string(bytes)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// open believes a checkpoint only with the log's signature on it.
func open(key, signed string) (tree, error) {
	verifier, err := note.NewVerifier(strings.TrimSpace(key))
	if err != nil {
		return tree{}, err
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(verifier))
	if err != nil {
		return tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tree{}, errors.New("this is no checkpoint of the log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tree{size, root}, err
}

func hashes(lines []string) ([]tlog.Hash, error) {
	var all []tlog.Hash
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return nil, err
		}
		all = append(all, hash)
	}
	return all, nil
}

func inclusion(key, proof, leaf string) error {
	head, checkpoint, found := strings.Cut(proof, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
		return errors.New("this is no proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	path, err := hashes(lines[2:])
	if err != nil {
		return err
	}
	signed, err := open(key, checkpoint)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(path, signed.size, signed.root, index, tlog.RecordHash([]byte(leaf)))
}

func consistency(key, old, new, path string) error {
	from, err := open(key, old)
	if err != nil {
		return err
	}
	to, err := open(key, new)
	if err != nil {
		return err
	}
	proof, err := hashes(strings.Fields(path))
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, to.size, to.root, from.size, from.root)
}

func tile(key, checkpoint, data string) error {
	signed, err := open(key, checkpoint)
	if err != nil {
		return err
	}
	if int64(len(data)) != signed.size*tlog.HashSize {
		return fmt.Errorf("the tile has %d bytes for %d entries", len(data), signed.size)
	}
	leaves := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var found []tlog.Hash
		for _, index := range indexes {
			level, number := tlog.SplitStoredHashIndex(index)
			hash, err := tlog.HashFromTile(tlog.Tile{H: 8, L: 0, N: number >> (8 - level), W: len(data) / tlog.HashSize}, []byte(data), index)
			if err != nil {
				return nil, err
			}
			found = append(found, hash)
		}
		return found, nil
	})
	root, err := tlog.TreeHash(signed.size, leaves)
	if err != nil {
		return err
	}
	if root != signed.root {
		return errors.New("the tile is not what was signed")
	}
	return nil
}

func main() {
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 4 && args[0] == "inclusion":
		err = inclusion(read(args[1]), read(args[2]), read(args[3]))
	case len(args) == 5 && args[0] == "consistency":
		err = consistency(read(args[1]), read(args[2]), read(args[3]), read(args[4]))
	case len(args) == 4 && args[0] == "tile":
		err = tile(read(args[1]), read(args[2]), read(args[3]))
	default:
		err = errors.New("usage: verify inclusion|consistency|tile …")
	}
	if err != nil {
		fail(err)
	}
	fmt.Println("good")
}
