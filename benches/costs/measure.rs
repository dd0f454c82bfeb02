//! A case to be measured, and the two ways of measuring it: by criterion's clock, or a fixed
//! number of calls for callgrind to count. Both run the same closure.

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{BatchSize, Bencher, Criterion, Throughput};

use crate::in_process::counting::allocations;

/// Calls that are counted; before them come as many that are not, so that tables are filled.
const CALLS: u64 = 256;

/// What is measured, under which name, and in which unit.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) part: &'static str,
    name: String,
    /// Items of one call: figures are told for one.
    pub(crate) items: u64,
    bytes: Option<u64>,
    is_slow: bool,
    pub(crate) is_on_other_thread: bool,
}

impl Case {
    /// The name becomes a folder's: letters, digits and `_`.
    pub(crate) fn new(part: &'static str, name: impl Into<String>) -> Self {
        let name = name.into();
        Self { part, name, items: 1, bytes: None, is_slow: false, is_on_other_thread: false }
    }

    /// One call does `items` of what is named.
    pub(crate) fn items(self, items: u64) -> Self {
        Self { items, ..self }
    }

    /// One call goes through so many bytes.
    pub(crate) fn bytes(self, bytes: usize) -> Self {
        Self { bytes: Some(bytes as u64), ..self }
    }

    /// One call takes milliseconds.
    pub(crate) fn slow(self) -> Self {
        Self { is_slow: true, ..self }
    }

    /// The first thread that this part started does the work.
    pub(crate) fn on_other_thread(self) -> Self {
        Self { is_on_other_thread: true, ..self }
    }

    pub(crate) fn id(&self) -> String {
        format!("{}/{}", self.part, self.name)
    }

    /// Calls that are counted.
    pub(crate) fn calls(&self) -> u64 {
        if self.is_slow { 1 } else { CALLS }
    }
}

/// How cases are measured.
pub(crate) enum Measure {
    Time { criterion: Box<Criterion>, timed: Vec<Case> },
    Count { ids: Vec<String>, rounds: u64 },
}

impl Measure {
    pub(crate) fn time(folder: PathBuf) -> Self {
        let criterion = Criterion::default().output_directory(&folder).configure_from_args();
        Self::Time { criterion: Box::new(criterion), timed: Vec::new() }
    }

    /// Only these cases, of each so many rounds of its calls. `id allocations` is printed.
    pub(crate) fn count(rounds: u64, ids: &[String]) -> Self {
        Self::Count { ids: ids.to_vec(), rounds }
    }

    /// What the filter of the command line let through.
    pub(crate) fn timed(&self) -> &[Case] {
        match self {
            Self::Time { timed, .. } => timed,
            Self::Count { .. } => &[],
        }
    }

    /// Measures what `set_up` returns, if the case is wanted.
    pub(crate) fn case<Body, Output>(&mut self, case: Case, set_up: impl FnOnce() -> Body)
    where
        Body: FnMut() -> Output,
    {
        match self {
            Self::Time { criterion, timed } => {
                let (mut set_up, mut body) = (Some(set_up), None);
                time(criterion, &case, |bencher| {
                    let body = body.get_or_insert_with(|| set_up.take().expect("set up once")());
                    bencher.iter(body);
                });
                timed.extend(body.map(|_| case));
            }
            Self::Count { ids, rounds } if ids.contains(&case.id()) => {
                let mut body = set_up();
                let mut calls = || (0..case.calls()).for_each(|_| drop(black_box(body())));
                if !case.is_slow {
                    calls();
                }
                count(&case, &mut || (0..*rounds).for_each(|_| calls()));
            }
            Self::Count { .. } => {}
        }
    }

    /// Measures `body` on inputs that it changes; making them is not measured.
    pub(crate) fn case_with_input<Input, Output>(
        &mut self,
        case: Case,
        input: impl Fn() -> Input,
        mut body: impl FnMut(&mut Input) -> Output,
    ) {
        match self {
            Self::Time { criterion, timed } => {
                let mut is_timed = false;
                time(criterion, &case, |bencher| {
                    is_timed = true;
                    bencher.iter_batched_ref(&input, &mut body, BatchSize::SmallInput);
                });
                timed.extend(is_timed.then_some(case));
            }
            Self::Count { ids, rounds } if ids.contains(&case.id()) => {
                let mut inputs: Vec<_> = (0..*rounds * case.calls()).map(|_| input()).collect();
                count(&case, &mut || {
                    inputs.iter_mut().for_each(|input| drop(black_box(body(black_box(input)))));
                });
            }
            Self::Count { .. } => {}
        }
    }
}

fn time(criterion: &mut Criterion, case: &Case, bench: impl FnMut(&mut Bencher<'_>)) {
    let mut group = criterion.benchmark_group(case.part);
    group.throughput(case.bytes.map_or(Throughput::Elements(case.items), Throughput::Bytes));
    if case.is_slow {
        group.sample_size(10);
    }
    group.bench_function(case.name.as_str(), bench);
    group.finish();
}

fn count(case: &Case, calls: &mut dyn FnMut()) {
    let (before, _) = allocations();
    counting_begins();
    calls();
    counting_ends();
    let (after, _) = allocations();
    println!("{} {}", case.id(), after - before);
}

/// Callgrind is told to write its counts, and to begin anew, when this is called.
#[inline(never)]
fn counting_begins() {
    black_box(1); // unlike the other, or the two would become one function
}

#[inline(never)]
fn counting_ends() {
    black_box(2);
}
