use super::*;

fn stored(text: &str) -> Stored {
    Stored { text: text.as_bytes().to_vec(), extra: None }
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
    let with_extra = Stored { text: b"schema = 1\n".to_vec(), extra: Some(b"table ip x {}\n".to_vec()) };
    assert_eq!(store.save(&stored("a"), "boot", "").expect("saves"), 1);
    assert_eq!(store.save(&with_extra, "admin", "why").expect("saves"), 2);
    assert_eq!(store.current().expect("reads"), Some(2));
    let (back, meta) = store.generation(2).expect("reads");
    assert_eq!(back, with_extra);
    assert_eq!((meta.author.as_str(), meta.comment.as_str()), ("admin", "why"));
}

#[test]
fn a_generation_changed_on_the_disk_is_damaged() {
    let (folder, store) = store();
    store.save(&stored("a"), "boot", "").expect("saves");
    fs::write(folder.path().join("generations/0001/mark21.toml"), "b").expect("writes");
    assert!(matches!(store.generation(1), Err(StoreError::Damaged { generation: 1 })));
}

#[test]
fn only_the_newest_generations_are_kept() {
    let (_folder, store) = store();
    for index in 0..GENERATIONS_KEPT + 5 {
        store.save(&stored(&index.to_string()), "boot", "").expect("saves");
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
    assert_eq!(store.save(&stored("a"), "boot", "").expect("saves"), 1);
}

#[test]
fn a_refused_candidate_is_remembered_with_its_reason() {
    let (_folder, store) = store();
    let digest = stored("bad").digest();
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
    let one = Stored { text: b"ab".to_vec(), extra: Some(b"c".to_vec()) };
    let other = Stored { text: b"a".to_vec(), extra: Some(b"bc".to_vec()) };
    assert_ne!(one.digest(), other.digest());
}
