"""What figures are called: the slugs of metrics.json, caches and `--only`, and what people read in their place.

The one place for names. Code passes slugs on and asks here for the rest; nothing takes a name apart.
"""

from typing import NamedTuple


class Key(NamedTuple):
    """A metric. form: how tables show an entry of metrics.json, with its unit where the title doesn't name it."""

    title: str
    meaning: str  # one sentence, to stand behind the title and a colon
    form: str = "{value:.2f}"
    unit: str = ""
    for_visitors: bool = False  # whether the app's tables have it as a column, headed by the title


class RealSet(NamedTuple):
    """Real images in the place of samples, which tell a reader what a distance means."""

    title: str
    column: str  # what heads their distances in the app's tables


BITS = "what it costs to store a test image with the model, per pixel and colour; less is better, and ≤ marks an upper bound."
#: In the order in which tables show them. Metrics of one title share a column: a model has one of them.
KEYS: dict[str, Key] = {
    "parameters": Key("parameters", "how many numbers training has set.", "{value:,}", for_visitors=True),
    "file_size": Key("weights", "what the files of weights weigh.", "{value:.1f} MB", "MB"),
    "frechet_distance": Key(
        "Fréchet distance",
        "how far the pictures as a whole are from real test images, as a classifier sees them; less is better.",
        for_visitors=True,
    ),
    "kernel_distance": Key(
        "kernel distance",
        "the same without assuming that features are normally distributed, beside its spread; less is better.",
        "{value:.2f} ± {spread:.2f}",
    ),
    "inception_fid": Key(
        "Inception FID", "the Fréchet distance in the features of the ImageNet Inception network; less is better."
    ),
    "precision": Key("precision", "the share of samples that lie among real images."),
    "recall": Key("recall", "the share of real images that lie among samples."),
    "density": Key("density", "in how many real images' neighbourhoods a sample lies; real images reach 1."),
    "coverage": Key("coverage", "the share of real images that have a sample in their neighbourhood."),
    "class_accuracy": Key(
        "class accuracy",
        "how often that classifier sees the class that was asked for.",
        "{value:.1f} %",
        "%",
        for_visitors=True,
    ),
    "caption_accuracy": Key(
        "as captions say",
        "in how many of six attributes (species, body, cloak, head, weapon, shield) that classifier sees what the caption "
        "said.",
        "{value:.1f} %",
        "%",
        for_visitors=True,
    ),
    "novel_caption_accuracy": Key(
        "of new combinations",
        "the same for captions whose pairs of cloak and weapon no picture of the training had.",
        "{value:.1f} %",
        "%",
        for_visitors=True,
    ),
    "class_entropy": Key(
        "class entropy", "how evenly the classes occur where none is asked for; 1 = all alike.", "{value:.3f}"
    ),
    "rarest_class": Key("rarest class", "how often the rarest class occurs; 1 = as often as all others."),
    "commonest_class": Key("commonest class", "how often the commonest class occurs; 1 = as often as all others."),
    "feature_spread": Key("spread of features", "how far two samples lie apart; 1 = as far as two real images."),
    "student_accuracy": Key(
        "classifier trained on them",
        "how many real test images a small classifier names rightly that has seen these pictures alone.",
        "{value:.1f} %",
        "%",
    ),
    "copies": Key(
        "copies",
        "the share of samples suspiciously near to a training image; 1 % is what chance gives.",
        "{value:.1f} %",
        "%",
    ),
    "exact_copies": Key("exact copies", "how many samples equal a training image.", "{value:d}"),
    "nearest_training_ratio": Key(
        "nearest training image", "how far samples lie from the training images; 1 = as far as test images."
    ),
    "critic_share": Key(
        "taken for real",
        "how many samples a critic finds more real than the median test image; 50 % can't be told from these.",
        "{value:.1f} %",
        "%",
    ),
    "bits_per_dim": Key("bits/dim", BITS, "{value:.3f}", "bits/dim", for_visitors=True),
    "bits_per_dim_bound": Key("bits/dim", BITS, "≤ {value:.3f}", "bits/dim", for_visitors=True),
    "elbo_bits_per_dim": Key("ELBO", "a looser bound, from one draw per image.", "≤ {value:.3f}", "bits/dim"),
    "reconstruction_psnr": Key(
        "PSNR",
        "how close a test image comes back after it went through the code; more is better.",
        "{value:.1f} dB",
        "dB",
        for_visitors=True,
    ),
    "reconstruction_ssim": Key("SSIM", "how alike in structure it comes back; 1 = the same.", "{value:.3f}"),
    "denoising_psnr": Key("denoising PSNR", "how close it comes back from a noisy input.", "{value:.1f} dB", "dB"),
    "noisy_psnr": Key("noisy PSNR", "how close that noisy input itself is.", "{value:.1f} dB", "dB"),
    "largest_error": Key(
        "largest error",
        "by how many of 256 grey levels any pixel of a test image differs when it comes back from its code.",
        "{value:d}",
        for_visitors=True,
    ),
    "accuracy": Key("accuracy", "how many test images are named rightly.", "{value:.2f} %", "%"),
    "sampling_ms_1_cpu": Key("1 image", "how long one picture takes on the CPU.", "{value:.1f} ms", "ms"),
    "sampling_ms_16_cpu": Key(
        "16 images", "how long these take together on the CPU.", "{value:.0f} ms", "ms", for_visitors=True
    ),
    "sampling_ms_1_gpu": Key("1 image on the GPU", "how long one picture takes there.", "{value:.1f} ms", "ms"),
    "sampling_ms_16_gpu": Key("16 images on the GPU", "how long these take together there.", "{value:.0f} ms", "ms"),
}

#: By which samples are ranked, the least first, and which the app's tables show of real images, too.
RANKED_BY = "frechet_distance"

REAL_SETS: dict[str, RealSet] = {
    "train": RealSet("training images", "of real images"),
    "blur_0.5px": RealSet("blurred by 0.5 px", "blurred ½ px"),
    "blur_1px": RealSet("blurred by 1 px", "blurred 1 px"),
    "without_first_class": RealSet("without the first class", "one class missing"),
}
#: What the app's tables say of those columns.
REAL_SETS_MEANING = (
    "Beside it, the same distance of other real images: as they are, blurred by half a pixel and by one, and without their "
    "first class."
)

#: Of the parts of a measurement: what `--only` takes -> what people read.
PART_TITLES: dict[str, str] = {
    "size": "size",
    "speed": "sampling time",
    "reconstruction": "reconstruction",
    "likelihood": "bits/dim",
    "accuracy": "accuracy",
    "reference_frechet": "reference Fréchet distance",
    "reference_kernel": "reference kernel distance",
    "reference_student": "reference student",
    "frechet": "Fréchet distance",
    "kernel": "kernel distance",
    "coverage": "precision and coverage",
    "variety": "variety",
    "class_accuracy": "class accuracy",
    "caption_accuracy": "caption accuracy",
    "novel_captions": "new combinations",
    "copies": "copies",
    "student": "student",
    "critic": "critic",
    "inception": "Inception FID",
}
