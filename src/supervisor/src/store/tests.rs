use super::*;

fn stored(text: &str) -> Stored {
    Stored::new(text.as_bytes().to_vec(), None)
}

fn note(author: &str, comment: &str) -> Note {
    Note { author: author.to_owned(), comment: comment.to_owned() }
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::new(folder.path());
    (folder, store)
}

#[test]
fn an_empty_partition_has_nothing() {
    let (_folder, store) = store();
    assert_eq!(store.candidate().expect("reads"), None);
    assert_eq!(store.current().expect("reads"), None);
    assert_eq!(store.generations().expect("reads"), Vec::<u32>::new());
}

#[test]
fn a_saved_generation_is_current_and_reads_back() {
    let (_folder, store) = store();
    let with_extra = Stored::new(b"schema = 1\n".to_vec(), Some(b"table ip x {}\n".to_vec()));
    assert_eq!(store.save(&stored("a"), &note("boot", ""), Current::Named).expect("saves"), 1);
    assert_eq!(store.save(&with_extra, &note("admin", "why"), Current::Named).expect("saves"), 2);
    assert_eq!(store.current().expect("reads"), Some(2));
    let (back, meta) = store.generation(2).expect("reads");
    assert_eq!(back, with_extra);
    assert_eq!((meta.author.as_str(), meta.comment.as_str()), ("admin", "why"));
}

#[test]
fn a_generation_changed_on_the_disk_is_damaged() {
    let (folder, store) = store();
    store.save(&stored("a"), &note("boot", ""), Current::Named).expect("saves");
    fs::write(folder.path().join("generations/0001/mark21.toml"), "b").expect("writes");
    assert!(matches!(store.generation(1), Err(StoreError::Damaged { generation: 1 })));
}

#[test]
fn only_the_newest_generations_are_kept() {
    let (_folder, store) = store();
    for index in 0..GENERATIONS_KEPT + 5 {
        store.save(&stored(&index.to_string()), &note("boot", ""), Current::Named).expect("saves");
    }
    let numbers = store.generations().expect("reads");
    assert_eq!(numbers.len(), GENERATIONS_KEPT);
    assert_eq!(numbers.first(), Some(&6));
    assert_eq!(store.current().expect("reads"), numbers.last().copied());
}

#[test]
fn a_generation_that_was_never_finished_is_no_generation() {
    let (folder, store) = store();
    fs::create_dir_all(folder.path().join("generations/new")).expect("makes");
    fs::write(folder.path().join("generations/new/mark21.toml"), "half").expect("writes");
    assert_eq!(store.generations().expect("reads"), Vec::<u32>::new());
    assert_eq!(store.save(&stored("a"), &note("boot", ""), Current::Named).expect("saves"), 1);
}

#[test]
fn a_refused_candidate_is_remembered_with_its_reason() {
    let (_folder, store) = store();
    let digest = stored("bad").digest().to_owned();
    assert_eq!(store.refusal(&digest).expect("reads"), None);
    store.refuse(Refusal { digest: digest.clone(), reason: "line 1\nis wrong".into() }).expect("writes");
    let known = store.refusal(&digest).expect("reads").expect("is there");
    assert_eq!(known.reason, "line 1 is wrong");
}

#[test]
fn a_link_in_place_of_the_candidate_is_not_followed() {
    let (folder, store) = store();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("mark21.toml")).expect("links");
    assert!(matches!(store.candidate(), Err(StoreError::Io { .. })));
}

#[test]
fn the_two_files_cannot_trade_bytes_in_the_digest() {
    let one = Stored::new(b"ab".to_vec(), Some(b"c".to_vec()));
    let other = Stored::new(b"a".to_vec(), Some(b"bc".to_vec()));
    assert_ne!(one.digest(), other.digest());
}

#[test]
fn a_later_generation_boots_only_once_it_is_named() {
    let (_folder, store) = store();
    store.save(&stored("a"), &note("boot", ""), Current::Named).expect("saves");
    assert_eq!(store.save(&stored("b"), &note("admin", ""), Current::Later).expect("saves"), 2);
    assert_eq!(store.current().expect("reads"), Some(1));
    assert_eq!(store.candidate().expect("reads"), Some(stored("a")));
    assert!(!store.generation(2).expect("reads").1.confirmed);
    store.name_current(2).expect("names");
    assert_eq!(store.current().expect("reads"), Some(2));
    assert_eq!(store.candidate().expect("reads"), Some(stored("b")));
    assert!(store.generation(2).expect("reads").1.confirmed);
}

#[test]
fn the_generation_that_boots_is_kept_however_many_follow() {
    let (_folder, store) = store();
    store.save(&stored("a"), &note("boot", ""), Current::Named).expect("saves");
    for index in 0..GENERATIONS_KEPT + 5 {
        store.save(&stored(&index.to_string()), &note("admin", ""), Current::Later).expect("saves");
    }
    assert_eq!(store.generation(1).expect("is kept").0, stored("a"));
    assert_eq!(store.generations().expect("reads").len(), GENERATIONS_KEPT);
}

#[test]
fn a_power_cut_that_left_no_candidate_is_mended() {
    let (folder, store) = store();
    store.save(&stored("a"), &note("boot", ""), Current::Named).expect("saves");
    fs::remove_file(folder.path().join("mark21.toml")).expect("removes");
    store.tidy().expect("mends");
    assert_eq!(store.candidate().expect("reads"), Some(stored("a")));
}

#[test]
fn a_power_cut_before_the_first_generation_was_named_is_mended() {
    let (folder, store) = store();
    store.save(&stored("a"), &note("boot", ""), Current::Named).expect("saves");
    fs::remove_file(folder.path().join("current")).expect("removes");
    store.tidy().expect("mends");
    assert_eq!(store.current().expect("reads"), Some(1));
}

#[test]
fn a_candidate_for_the_next_start_knows_its_author_until_it_is_edited() {
    let (_folder, store) = store();
    store.put_candidate(&stored("a"), &note("anna", "why")).expect("writes");
    assert_eq!(store.candidate().expect("reads"), Some(stored("a")));
    assert_eq!(store.candidate_note(stored("a").digest()), Some(note("anna", "why")));
    assert_eq!(store.candidate_note(stored("b").digest()), None);
}

#[test]
fn nothing_is_left_after_a_factory_reset() {
    let (folder, store) = store();
    store.save(&stored("a"), &note("boot", ""), Current::Named).expect("saves");
    store.put_candidate(&stored("b"), &note("anna", "")).expect("writes");
    store.clear().expect("clears");
    assert_eq!(fs::read_dir(folder.path()).expect("reads").count(), 0);
}
