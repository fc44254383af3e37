"""What a reader of the study's page must know, as HTML."""

READING = """
<h2>How to read this</h2>
<p>Each row of the table above is one sentence of the paper, what stands for it
here as a number, when the rule of the row was written, and a verdict by it.
<i>Before any record</i>: in docs/preregistration.md, but for rows on compute
(whether it helps, whether the gain is log-linear), whose rules stood in the
code of this page alone (analysis/study/verdicts.py). <i>Before its records</i>:
others were there, none of what the row is about. <i>After</i>: its records were
there, too. How intervals and p are made has changed since, told under
Deviations there. <i>Secondary</i> rows are outside the family of tests. Where
less could be lost than a rule asks for, or than the 3 points within which it
takes a loss for none, the verdict says so.
An <b>estimate</b> is followed by its 95 % interval, then by the number of split
seeds, of training seeds in each split, and of test functions. <i>Undecided</i>
means that the interval allows both answers; <i>not measured</i> that runs lack:
then the table has no number, and what figures show of the runs there are is
marked incomplete. Test functions are counted once each, though splits of one
universe share some. In the figures the marks answer to the
mouse (or Tab and the arrow keys): what they are, value, interval.</p>
<p>Four sentences on the experiment: every program of a small arithmetic
language up to a size is enumerated, so it is known exactly which functions
there are and which programs compute them. A transformer sees the values of a
function at fixed points and writes a program. The answer counts only if it is
exactly the same function. Models are trained on part of the functions and
tested on others, and what lies between the two parts is controlled.</p>
"""

DEFINITIONS = """
<h2>Formal definitions</h2>
<table>
<tr><th>word</th><th>definition</th></tr>
<tr><td>program</td><td>A syntax tree u of the grammar (an expression is x, 1,
2, 3, or the sum, difference, product or quotient of two expressions) with at
most L nodes (<i>largest program</i> in the table of configurations; what a
model writes has at most L nodes too). |u| is its number of nodes, its
<i>size</i>; U is the set of all of them.</td></tr>
<tr><td>class, function</td><td>u and v are of one class c if they compute the
same rational function, decided by residues at four random points, each modulo a
prime of its own near 2<sup>31</sup> (a wrong merge anywhere has a chance below
10<sup>&minus;15</sup>). C is the set of classes. A(c) are the smallest programs
of c (<i>minimal programs</i>), k(c) is their size. Splits are of classes, never
of programs.</td></tr>
<tr><td>task</td><td>One class, given as its values v at 32 fixed points, the
specification grid: k / 97 with whole k, from 2 / 97 to 300 spaced by ratios,
with both signs (all k in every record). Of each v the model gets arcsinh v,
arcsinh 1/v, v / (1 + |v|), v / (1 + v<sup>2</sup>) and whether it is defined,
standardized and whitened over C, tests included: one vector, which an MLP turns
into one token before the program. It writes the program's symbols in prefix
order. Classes equal at all of them in float32 are all left out.</td></tr>
<tr><td>success</td><td>The program that was written is in c: equal as a
rational function, not only at the points.</td></tr>
<tr><td>pass@k</td><td>1 &minus; C(n &minus; s, k) / C(n, k) with s right ones
of n independent samples, mean over tasks: the unbiased estimator of the chance
that one of k samples is right.</td></tr>
<tr><td>kinds of samples</td><td>Every sample is of exactly one: <i>right</i>;
<i>fits the specification only</i>: equal to the task at all points of the
grid, another function; <i>wrong</i>: a program defined somewhere that differs
from the task at a point of the grid, and either <i>a program of training</i>,
one that training may show (as a program, not only as a function), or
<i>another</i>; <i>undefined</i>: divides by the zero function; <i>no
program</i>: its symbols are no program, or it has no end within the length
allowed. Shares are of all samples of a model.</td></tr>
<tr><td>confidence, calibration</td><td>The <i>answer</i> of a model to a task
is the most probable of its distinct samples; its <i>confidence</i> p is the
probability that the model at temperature 1 gives to that one program; y is 1
if the answer is right, else 0. Tasks are put, by p, into B = 15 bins of equally
many (fewer, if a bin had fewer than 10). <i>Calibration error</i>: the root of
&Sigma; (n<sub>b</sub> / N) [(mean<sub>b</sub>(y &minus; p))<sup>2</sup> &minus;
var<sub>b</sub>(y &minus; p) / n<sub>b</sub>], 0 if that is negative: the second
term is what noise adds to the first (Kumar, Liang and Ma, 2019, arXiv
1909.10155). <i>Confidence less share right</i>: mean(p) &minus; mean(y), over
all answers. <i>AUROC</i>: the chance that a right answer has a larger p than a
wrong one, ties half. A function has many programs and p is the chance of one,
so y &gt; p on average is no fault, y &lt; p is.</td></tr>
<tr><td>without a model</td><td>Candidates are programs tried one after the
other until one is right. <i>Nearest neighbour</i>: the training function whose
values are nearest. <i>PCFG</i>: programs drawn from a probabilistic grammar
fitted to the arm. <i>Enumeration</i>: all functions, smallest program first.
<i>Meet in the middle</i>: joins two programs of a bank of small ones so that
the values come out; a candidate is a look-up.</td></tr>
<tr><td>arm</td><td>A training set: classes drawn from one universe. At each
visit of a class a random program of A(c) is shown, without the held-out
structure wherever A(c) has one without.</td></tr>
<tr><td>run, model</td><td>A run is one arm of one split; it trains a model for
each of its seeds. Seeds, which are 0, 1, ... plus 100 times the seed of the
split, differ in initial parameters and in the order of the data. Splits of a
contrast are drawn from one universe, so their tests may share classes;
intervals over splits are for new draws from it.</td></tr>
<tr><td>semantic space</td><td>The values v of a class at the specification
grid, arcsinh v, standardized point by point over C, on its principal axes
(those that hold 95 % of the variance); Euclidean distance.</td></tr>
<tr><td>syntactic space</td><td>A class stands at one random program of A(c),
drawn once: the bag of its (2, 3)-pq-grams (every node with its parent, over
every three neighbours among its children, both padded; Augsten et al., TODS
2010). Distance is the Tanimoto distance of the bags; the space that arms and
regions are drawn in is that of the square roots of the shares, on its first 16
principal axes. Variance held and rank correlation with the distances, of both
spaces, are in "What are the distances worth?".</td></tr>
<tr><td>density shift</td><td>With &pi;(c) the chance of c to be drawn for
training before tests are removed, and Q the law of the test: Q(c) &gt; 0 only
where &pi;(c) &gt; 0. Arms are samples of equal size under different &pi;; the
tests are shared.</td></tr>
<tr><td>density laws</td><td><code>uniform</code>: equal for all classes.
<code>semantic</code>, <code>syntactic</code>: &pi; &prop; r<sup>d</sup>, r the
distance to the 16th nearest class in that space, d its intrinsic dimension by
the distances to 16 neighbours (Levina and Bickel, NIPS 2004; inverses
averaged): with the density r<sup>&minus;d</sup> around c the weight is
density<sup>&minus;&gamma;</sup> with &gamma; = 1, which is even over the space.
Weights above their 99 % quantile are cut to it. <code>joint</code>: the mean of
both log-weights, after the n-th largest of each space was replaced by the mean
of both n-th largest. <code>..._half</code>: &gamma; = 1/2. <code>uniform</code>
is &gamma; = 0. <code>programs</code>: by the number of programs;
<code>derivations</code>: by the chance that a random derivation of the grammar,
each further node at the critical weight, computes it. <code>..._binned</code>,
<code>..._kmeans</code>: equal shares for the cells (below) or k-means clusters
of the space. <code>..._net</code>: no two within a least distance, as wide as
the size allows. <code>..._raked</code>: reweighted to the sizes, operators and
constants of <code>uniform</code>; of a net, a net in every group of equal ones,
of the group's share.</td></tr>
<tr><td>spread</td><td>Of an arm, in a space: the mean distance from its
functions to the nearest other one of the arm, on the space's axes. What an arm
was drawn for and what spread it has are two things (F25).</td></tr>
<tr><td>test cells, shifted laws</td><td>A test cell is a box: each of the first
three axes of a space is cut at equal shares of the classes, into about a fourth
as many boxes as tests; for both spaces together cells are pairs of coarser
boxes of each. <i>Shifted laws</i>: the tests uniform over the cells of the
semantic space, of the syntactic one, and of both (then over the classes of a
cell); their unweighted mean is what rows on density are about.</td></tr>
<tr><td>support shift</td><td>A region R of C is declared with &pi;(R) = 0 and
Q(R) = 1.</td></tr>
<tr><td>region</td><td>R as a part of a space: a half-space is the tenth of all
classes at one end of one of the first three axes (drawn by the split's seed;
six seeds have the six ends); the next tenth of the classes, the buffer, is in
no set. A cluster is one of 20 by k-means on all axes of the space, which one is
drawn; its buffer is what is nearer to it than 95 % of all classes are to their
nearest. The outermost and innermost are the tenth farthest from and nearest to
the centre (Mahalanobis), with the next tenth as the buffer. Regions of the
semantic space are matched in size and symbols, those of the syntactic one in
size and place in the semantic one (300 boxes by its first three axes). A place
in the syntactic space is a program's: where a region of it is held out, a class
stands for the one program that was placed, in training, too. <i>Length</i>: the
largest size, matched in these 300; <i>order</i>: products of sums, trained on
sums of products; <i>operator</i>: quotients in larger programs, trained on
quotients of leaves; <i>role</i>: 3 as a first argument.</td></tr>
<tr><td>S1 to S6, L1 to L7</td><td>Kinds of support splits: S1 clusters, S2 ends
of a space, S3 a structure, S4 the ladder, S5 size, S6 an order of operators, an
operator, a place (forms of arXiv 2307.13883). L: checks of the certificate, in
docs/splits.md. <code>extra_size</code>: to how many nodes beyond L programs
without the structure are enumerated for the certificate; forced, here, is what
is forced up to L. <code>a &gt; b</code>: b directly under a, of
<code>a|b</code> either, of <code>any</code> any, of <code>a:1</code> as its
first argument. <code>match</code>: what cells are equal in beside size:
symbols, or, with <code>arities</code>, symbols where all operators of one
number of arguments count alike.</td></tr>
<tr><td>novel</td><td>A test class in R. For a held-out structure
(<code>sub &gt; div</code>: a quotient directly under a difference): every
program of A(c) has it. In the negative control (<i>avoidable</i>: <code>div
&gt; mul</code>) some programs of A(c) have it and others do not: whoever never
saw it can write another, though perhaps none of known structures alone (a / b /
c is a / (b * c), so training has no <code>div &gt; div</code> and no
<code>mul &gt; div</code> either).</td></tr>
<tr><td>cell of a pair</td><td>What novel and control, train_s and train_c are
equal in: size and count of every symbol; for regions of the syntactic space
size and one of 300 boxes of the semantic one; for <i>length</i> these boxes
alone, since size is what is held out; for <i>operator</i> size and symbols
where operators of one number of arguments count alike.</td></tr>
<tr><td>control</td><td>A test class outside R, paired with a novel one of the
same cell.</td></tr>
<tr><td>train_s, train_c</td><td>The two arms: train_s has nothing of R; train_c
is train_s with up to a fifth replaced by novel classes of the same
cells.</td></tr>
<tr><td>dev</td><td>Classes outside R in no arm and no test; all settings are
chosen on them.</td></tr>
<tr><td>D(test)</td><td>pass@1 of train_c less pass@1 of train_s on the same
tasks, paired by task and training seed. D(novel) is the <i>drop</i>, what never
having seen R costs; D(control) is the <i>price</i> of seeing it.</td></tr>
<tr><td>difference of differences</td><td>D(novel) &minus; D(control), the
<i>gap</i>. Each difference is between arms on the same tasks. The gap is in
points, on tests of different difficulty, and counts what novel gains by the
structure and what control loses because novel classes took the places of its
like: both are printed apart, as ratios and log-odds too.</td></tr>
<tr><td>forced</td><td>A novel class that no program the model may write (any
size up to L) computes without the structure; decided by enumerating the
programs without it. Otherwise <i>avoidable</i>. That is under the limit L: with
a few nodes more nearly every function can be written without.</td></tr>
<tr><td>distance</td><td>Of a class to an arm. Syntactic: the least Tanimoto
distance of the bags of (2, 3)-pq-grams between the class and a training class,
each by its one drawn program: exact for these, an upper bound for the nearest
two of all their programs. Semantic: the least Euclidean distance of the outputs
(arcsinh, standardized, principal axes), exact. <i>Near</i>: no farther than 95
% of the arm are from their nearest others; <i>far</i>: at least as far as all
but 0.1 % of them.</td></tr>
<tr><td>forms of scaling</td><td>With z = log(C / C<sub>0</sub>), C the
operations of training and C<sub>0</sub> their geometric mean, success is:
<i>log-linear</i> a + b z; <i>logit-linear</i> &sigma;(a + b z), &sigma;(t) = 1
/ (1 + e<sup>&minus;t</sup>); <i>logistic with ceiling</i> E &sigma;(s (z
&minus; m)); <i>saturating power</i> E &minus; A e<sup>&minus;bz</sup>; <i>power
of the logarithm</i> exp(&minus;A e<sup>&minus;bz</sup>); <i>broken power</i> 1
&minus; E &minus; B e<sup>&minus;fz</sup> (1 + e<sup>(z &minus; m) /
w</sup>)<sup>&minus;g w</sup>. Loss: a + b z, a power e<sup>a &minus; bz</sup>,
and one above a floor E + A e<sup>&minus;bz</sup>. Least squares, each level
weighed by the inverse of p (1 &minus; p), p its mean success (of losses by
their inverse square), so that weak levels count most; how much more models of
a level differ is pooled over levels. AICc = &chi;<sup>2</sup> + 2 P + 2 P (P +
1) / (N &minus; P &minus; 1), N models, P parameters.</td></tr>
<tr><td>D<sub>A</sub>, D<sub>C</sub></td><td>Atom and compound divergence of
training P and test Q (Keysers et al., ICLR 2020):
1 &minus; &Sigma; p<sub>k</sub><sup>a</sup> q<sub>k</sub><sup>1&minus;a</sup>,
over symbols with a = 0.5, over pq-grams with a = 0.1. The ladder varies
D<sub>C</sub> at equal D<sub>A</sub>.</td></tr>
</table>
<h2>How exactly is a split made?</h2>
<p>Support and region splits, in this order (docs/splits.md has every kind, its
settings and the proofs that are checked):</p>
<ol>
<li>R is declared. Around a region of a space lies a buffer that is in no
set.</li>
<li>Inside each cell novel classes are paired at random, one to one, with
classes outside R and the buffer. What a cell is equal in is defined
above.</li>
<li>Random pairs are the tests <i>novel</i> and <i>control</i>. With held-out
structures only pairs whose novel class keeps a least distance from everything
outside R are taken.</li>
<li><i>dev</i> is drawn from classes outside R without a partner, and, where
these are too few, from partners of novel classes that step 5 does not
exchange.</li>
<li><i>train_s</i> is everything else outside R. <i>train_c</i> is the same with
up to a fifth of it, partners of novel classes, replaced by those novel classes:
both arms have equally many classes of every cell.</li>
<li>A certificate checks the finished split from the universe alone (no class in
two sets, no training program with the structure, equal cells, distances, hashes
of the sorted identities of every set). The same seed gives the same
hashes.</li>
</ol>
<p>Density splits: tests first (uniform over classes; uniform over the cells of
each space and of both), then every arm from what is left.</p>
<p>Ladder: a class stands for one random minimal program, in training too. An
edge is an operator and an operator directly under it. Of the kinds of edges
that occur, half, H, is drawn in random order: twenty times, and the draw is
taken that leaves most programs. <i>novel</i> has programs all of whose edges
are in H, <i>control</i> and <i>dev</i> programs with none of H. The arm of rung
r = 0 to 4 is drawn from the rest without the first r quarters of H; all prefer
the same classes, so that they differ by no more than they must. In each cell of
equal size and equal count of every symbol both tests have equally many
programs, and all arms the same multiple of that.</p>
"""

STATISTICS = """
<h2>Where do intervals and p come from?</h2>
<p>Estimates are means over splits of means over training seeds and tasks,
paired by seed and task. Intervals (95 %) are for new splits, new seeds and new
tasks together: Student intervals of the crossed design that keep their level
with few seeds; tasks of one cell count as one cluster. The variance of the
estimate is that of its units (splits, or the seeds of one split) over their
number, plus the mean covariance of two units through the tasks that both have;
each part is estimated with its own degrees of freedom. With a share &rho; of
the variance estimated with d degrees, z the normal and t the Student quantile,
half the interval is (z<sup>p</sup> (1 &minus; &rho;<sup>s</sup>) +
t<sup>p</sup> &rho;<sup>s</sup>)<sup>1/p</sup> standard errors, for the part
that needs the larger, with 1 / p = max(0.16 (1 &minus; 4 / d<sup>2</sup>),
0.002) and s / p = 1/3 + (2 / d)<sup>1.22</sup> / 6: coverage is within half a
point of 95 % for d of 2 and more, within 1.4 points for 1. Where a share of
tasks is told by itself its interval is skewed as a count's: the end towards 0
is that of the logit, the other that of a beta law with one task more, of the
largest value seen; a share above half is seen from its failures. With one split
they are for that split. No interval for new splits is shorter than for the
splits there are, so one may be longer than its standard error in the table of
errors says. Those of rows on compute are for one split: bootstrap over the
seeds of each level and over clusters of tasks.
p: exact two-sided sign-flip over all pairs of models with one split and seed
(of more than 40, over sums of one pair of every split), so it is about these
splits and tasks and may be small where an interval reaches 0; with n pairs it
is at least 2<sup>1 &minus; n</sup> (8 pairs: 0.0078). Adjusted by Holm over the
five pre-registered contrasts (C1 to C5; docs/preregistration.md; a test that
lacks its records counts as p = 1). The rule on 40 pairs is a deviation, told
with the others. Crossed bootstrap intervals stand beside in the table of
support contrasts. A model that diverged is left out of all arms of its split;
with more than a quarter of an arm's, nothing is decided. "No drop" is never a
difference that was not found: it takes two one-sided tests against a margin of
3 points.</p>
"""

SCOPE = """
<h2>What is not claimed?</h2>
<ul>
<li><b>Search at equal compute.</b> Searches are compared by look-ups, each of
which costs some arithmetic at four points; the samples that a model's search
starts from cost millions of operations each and are not charged there. Where a
search without a model does as well, it does so at a small part of the cost. And
in a universe that can be enumerated a bank of all functions solves every task
by one look-up: what is tested is what search adds to a model at equal banks,
not whether these tasks are hard.</li>
<li><b>Need or habit.</b> C1 is the loss of functions that need a structure. It
does not show that they are lost because they need it. The negative control
does not tell need from habit: no function needs <code>div &gt; mul</code>, but
all that can be written with <code>div &gt; div</code> or <code>mul &gt;
div</code> can be written with it, so that training has none of the three, and
some novel functions have one in every smallest program (docs/study.md). Its
runs are shorter and fewer, too.</li>
<li><b>One space at a time.</b> What is held out in one space is farther than
its controls in the other, too, and by another factor ("How far is what is held
out?"): losses of the two spaces are not comparable.</li>
<li><b>Diversity that was not there.</b> Arms drawn for syntactic diversity are
hardly more diverse (F25): that they gain nothing says little of
diversity.</li>
<li><b>Diversity where it is not favoured.</b> The shifted laws are even over
cells of the same spaces that diverse arms are spread over. F5 has every arm on
every law, the uniform one too; at more samples a task signs may differ (table
of density arms).</li>
<li><b>Compute out of support.</b> Novel tests hold forced and avoidable tasks;
what is solved of them without the structure (F8) counts there, too. The
two rows below it tell them apart.</li>
<li><b>Other models and languages.</b> All this is about decoder transformers of
the sizes in the table of configurations, trained from scratch on small
arithmetic languages: all rows with a verdict on one, five contrasts beside them
on two more or with another structure.</li>
<li><b>Other hold-outs.</b> The held-out structure is one edge of many; regions
with a verdict are half-spaces, others have one split. Intervals over splits are
over new seeds of these kinds.</li>
<li><b>Scaling forms</b> are told apart only with enough levels and decades of
compute (the rule says how many). Tier cpu has six levels: by plan its rows on
the form stay undecided.</li>
<li><b>What weak models cannot lose.</b> A drop in points is at most what models
that saw the structure solve (beside the verdicts), and equivalence within three
points needs standard errors below about 1.5 (planned ones in "Were the errors
what was planned?").</li>
<li><b>Distance.</b> Novel tests of a held-out structure are chosen at least 0.4
(syntactic) from training, controls are not, so the difference counts distance,
too: F9 tells both apart only as far as their distances overlap.</li>
<li><b>Models that have learned the language.</b> Success in support is beside
every verdict; where it is a third, failing elsewhere is measured against models
as weak that saw more (train_c), not against perfection.</li>
<li><b>Faithful axes.</b> Splits and certificates use distances of one drawn
program of each class, as they are; density arms and half-spaces the leading
axes of a space, and those of the syntactic one hold a small part of its
distances ("What are the distances worth?").</li>
<li><b>Equal numbers of programs.</b> Novel and control of a held-out structure
are equal in size and symbols (of regions, as said there), not in their numbers
of minimal programs ("Are the splits matched?").</li>
</ul>
"""
