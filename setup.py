"""The package, for pip and for colcon. Its version stands in package.xml and nowhere else."""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup
from setuptools.command.develop import develop

HERE = Path(__file__).parent
NAME = "vlm_bt"
FOR_AUTHORS = ("trees", "skills", "schema", "config", "launch")

MANIFEST = ElementTree.parse(HERE / "package.xml").getroot()


def shared_files() -> list[tuple[str, list[str]]]:
    """(folder under the prefix, files) of everything that is installed outside the Python package."""
    files = {
        "share/ament_index/resource_index/packages": [f"resource/{NAME}"],
        f"share/{NAME}": ["package.xml"],
    }
    for folder in FOR_AUTHORS:
        for path in sorted((HERE / folder).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                inside = path.relative_to(HERE)
                files.setdefault(f"share/{NAME}/{inside.parent.as_posix()}", []).append(inside.as_posix())
    return list(files.items())


class Develop(develop):
    """`colcon build --symlink-install`, which does not read `[build_scripts]` in setup.cfg."""

    def write_script(self, script_name, contents, *more):
        first, _, rest = contents.partition("\n")
        super().write_script(script_name, f"#!/usr/bin/env python3\n{rest}" if first[:2] == "#!" else contents, *more)


setup(
    cmdclass={"develop": Develop},
    name=NAME,
    version=MANIFEST.findtext("version"),
    description=MANIFEST.findtext("description"),
    long_description=(HERE / "README.md").read_text(encoding="utf-8") if (HERE / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    license=MANIFEST.findtext("license"),
    maintainer=MANIFEST.findtext("maintainer"),
    maintainer_email=MANIFEST.find("maintainer").get("email"),
    python_requires=">=3.11",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={
        NAME: [
            "py.typed",
            "vision/weights/**/*.safetensors",
            "vision/weights/**/*.json",
            "vision/weights/**/*.md",
            "recording/templates/**/*",
            "web/page/**/*",
            "bench/baseline/**/*.yaml",
        ]
    },
    data_files=shared_files(),
    zip_safe=False,
    entry_points={"console_scripts": ["vlm-bt = vlm_bt.cli:main"]},
    install_requires=[
        "py_trees>=2.6",
        "numpy>=2.0",
        "scipy>=1.13",
        "PyYAML>=6.0",
        "pydantic>=2.10",
        "typer>=0.20",
        "rich>=13.9",
        "jinja2>=3.1",
        "matplotlib>=3.10",
        "pillow>=11.0",
        "rapidfuzz>=3.9",
        "xxhash>=3.5",
        "mcap>=1.2",
        "prometheus_client>=0.21",
        # The browser view.
        "fastapi>=0.115",
        "uvicorn>=0.36",
        "websockets>=15.0",
        "segno>=1.6",
        "python-json-logger>=3.2",
        "safetensors>=0.8",
        "torch>=2.13",
        "torchvision>=0.28",
        "open_clip_torch>=3.3",
        # Earlier ones run code from a model's folder even with trust_remote_code=False.
        "transformers>=5.3",
        "tokenizers>=0.23",
        "mujoco>=3.17",
        "mink>=1.3",
        "daqp>=0.8",
        "trimesh>=4.9",
        "shapely>=2.1",
        "mapbox_earcut>=2.0",
    ],
    extras_require={
        # SmolVLM's processor writes numbers out.
        "chat": ["num2words>=0.5", "accelerate>=1.10"],
        "remote": ["openai>=2.0", "langchain>=1.0", "langchain-openai>=1.0"],
        "quantisation": ["bitsandbytes>=0.48", "torchao>=0.14", "accelerate>=1.10"],
        "export": ["onnx>=1.19", "onnxruntime>=1.23", "openvino>=2025.3"],
        # OpenCV 5 ships neither a face model nor the class that loads one.
        "privacy": ["opencv-python-headless>=4.10,<5"],
        # Shards that other trainers read.
        "training": ["webdataset>=1.0", "tensorboard>=2.20"],
        "realsense": ["pyrealsense2>=2.59"],
        # vlm-bt export --rerun; the viewer comes with it.
        "rerun": ["rerun-sdk>=0.41"],
        # Campaigns on a cluster.
        "ray": ["ray>=2.50"],
        # No extra for ROS: it is the distribution's, or that of scripts/ros_interfaces, which builds the messages too.
        # Colcon looks here for what runs the tests.
        "test": ["pytest>=8.3"],
        "dev": [
            "pytest>=8.3",
            "pytest-xdist>=3.8",
            "pytest-timeout>=2.4",
            "hypothesis>=6.140",
            "jsonschema>=4.25",
            "mypy>=1.18",
            "ruff>=0.14",
            "yamllint>=1.37",
            "types-PyYAML>=6.0",
            # The real server that the remote backend is tested against: `transformers serve`.
            "python-multipart>=0.0.20",
            # The page of the browser view is tested in a real browser, and for what a screen reader needs.
            "playwright>=1.50",
            "axe-playwright-python>=0.1.4",
            # An independent implementation that the conformal thresholds are compared with.
            "mapie>=1.3",
            "scikit-learn>=1.7",
            "webdataset>=1.0",
        ],
    },
)
