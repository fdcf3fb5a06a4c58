//! Tells what happens in a directory, when it happens. It must not know what for.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

/// Readable when something has happened.
pub struct Watch(OwnedFd);

impl Watch {
    /// For events of this kind from now on.
    pub fn of(directory: &Path, events: WatchFlags) -> Watch {
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).expect("inotify");
        inotify::add_watch(&watch, directory, events).expect("the directory is there");
        Watch(watch)
    }

    /// Waits for one.
    pub fn wait(&self) {
        poll(&mut [PollFd::new(self, PollFlags::IN)], None).expect("it can be polled");
    }

    /// What has happened since this was asked last.
    pub fn seen(&self) -> Vec<ReadFlags> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.0, &mut buffer);
        std::iter::from_fn(|| events.next().ok().map(|event| event.events())).collect()
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
