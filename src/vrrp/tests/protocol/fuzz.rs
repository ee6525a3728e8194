//! The fuzz targets on stable: what is in their corpus, the captures, and random changes of both.

#[path = "../../fuzz/harness.rs"]
mod harness;

use std::path::Path;

use crate::captures::Capture;
use crate::rng::{Rng, runs};

/// Files of `fuzz/corpus/<target>`, which fuzzing found worth keeping.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&directory)
        .expect("a corpus")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(files.len() > 10, "{} has {} files", directory.display(), files.len());
    files.iter().map(|file| std::fs::read(file).expect("readable")).collect()
}

fn mutated(rng: &mut Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = seeds[rng.index(seeds.len())].clone();
    for _ in 0..rng.between(1, 6) {
        let at = rng.index(octets.len());
        match rng.below(5) {
            0 => octets.truncate(at),
            1 => octets.insert(at, rng.octet()),
            2 => octets.extend_from_slice(&seeds[rng.index(seeds.len())][..]),
            _ if !octets.is_empty() => octets[at] = rng.octet(),
            _ => {}
        }
    }
    octets.truncate(1024);
    octets
}

#[test]
fn the_codec_holds_for_the_corpus_the_captures_and_what_chance_makes_of_them() {
    let mut seeds = corpus("codec");
    for capture in Capture::all() {
        for mend in [0, 2] {
            let flags = u8::from(capture.source.is_ipv6()) | mend;
            seeds.push([&[flags][..], &capture.payload].concat());
        }
    }
    seeds.iter().for_each(|seed| harness::codec(seed));
    runs(20_000, |rng| harness::codec(&mutated(rng, &seeds)));
}

#[test]
fn sequences_of_inputs_hold_for_the_corpus_and_what_chance_makes_of_it() {
    let seeds = corpus("inputs");
    seeds.iter().for_each(|seed| harness::inputs(seed));
    runs(20_000, |rng| harness::inputs(&mutated(rng, &seeds)));
}
