"""How a mission reaches a robot over ROS 2: topics, actions and frames, read from `ros:` in `config/`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from vlm_bt.vision_settings import Strict

Name = Annotated[str, Field(pattern=r"^[~/]?[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*$")]
"""Of a topic, service or action; relative ones lie under the node's own namespace."""
Quaternion = tuple[float, float, float, float]


class ExtrinsicsSettings(Strict):
    """Pose of a camera's optical frame (x right, y down, z forward) in the robot's base frame: metres, (w, x, y, z).

    `mounted_on`: "hand" for a camera that the arm carries: the pose is then given in the frame of the tool centre
    point, and where the camera is follows from what the arm says of itself.
    """

    mounted_on: Literal["base", "hand"] = "base"
    position: tuple[float, float, float]
    quaternion: Quaternion


class RosCameraSettings(Strict):
    """One RGB-D camera as realsense2_camera publishes it.

    Attributes:
        colour: Topic of sensor_msgs/Image, or of CompressedImage where `compressed`.
        depth: Aligned to colour: 16UC1 in millimetres or 32FC1 in metres.
        info: CameraInfo of the colour camera.
        extrinsics: Where the camera hangs; None: asked of tf2 (`frame` in the base frame), which then has to be there.
        frame: Its optical frame; the one in the images' headers if not given.
        most_apart_s: Colour and depth of one frame may be stamped so far apart.
        stale_s: An image older than this is no answer to a request.
        lost_s: No image for so long: `camera_lost`.
    """

    colour: Name
    depth: Name
    info: Name
    compressed: bool = False
    extrinsics: ExtrinsicsSettings | None = None
    frame: str | None = None
    most_apart_s: float = Field(0.010, ge=0)
    stale_s: float = Field(0.5, gt=0)
    lost_s: float = Field(2.0, gt=0)


class RosArmSettings(Strict):
    """The actions of an arm. Distances metres, forces newtons.

    Attributes:
        move, grip: Actions vlm_bt_interfaces/MoveArm and /Grip. state: topic of ArmState.
        speed: Share of the arm's own limits; careful: the same for the last centimetres before and after a grasp.
        rise_m: How high above the bench things are carried.
        motion_limit_s: The longest that one goal may take. accept_limit_s: the longest until it is accepted.
    """

    move: Name = "move_arm"
    grip: Name = "grip"
    state: Name = "arm_state"
    speed: float = Field(1.0, gt=0, le=1)
    careful: float = Field(0.3, gt=0, le=1)
    grip_force_n: float = Field(20.0, gt=0)
    rise_m: float = Field(0.12, gt=0)
    motion_limit_s: float = Field(20.0, gt=0)
    accept_limit_s: float = Field(2.0, gt=0)
    lost_s: float = Field(1.0, gt=0)


class TrajectoryArmSettings(Strict):
    """An arm that follows joint trajectories (ros2_control), for the node `trajectory_arm`.

    Attributes:
        controller: Action control_msgs/FollowJointTrajectory. gripper: action control_msgs/GripperCommand.
        joints: The controller's joints, from the base on; the kinematics is that of `arm.robot`.
        finger_joints: In joint_states; their positions add up to the opening between the fingertips, in metres.
        gripper_scale: The gripper's position for one metre of opening: 1, or 0.5 where it counts one finger's way.
        named: Postures by name, radians.
        still_rad_s: Slower than this at every joint is standing still.
    """

    controller: Name = "joint_trajectory_controller/follow_joint_trajectory"
    gripper: Name = "gripper_controller/gripper_cmd"
    joint_states: Name = "joint_states"
    joints: tuple[str, ...] = tuple(f"joint{number}" for number in range(1, 8))
    finger_joints: tuple[str, ...] = ("finger_joint1", "finger_joint2")
    gripper_scale: float = Field(1.0, gt=0)
    named: dict[str, tuple[float, ...]] = {
        "home": (0.0, -1.40, 0.0, -1.90, 0.0, 0.95, 0.785),
        "look": (0.0, -0.55, 0.0, -2.35, 0.0, 1.80, 0.785),
        "hand_over": (0.0, 0.223, 0.0, -1.798, 0.0, 2.020, 0.785),
    }
    still_rad_s: float = Field(0.02, gt=0)
    lost_s: float = Field(0.5, gt=0)


class WorkspaceSettings(Strict):
    """What says that nobody is in reach: a topic of std_msgs/Bool, true while the workspace is clear.

    `lost_s`: silence for so long counts as somebody being there.
    """

    topic: Name = "workspace_clear"
    lost_s: float = Field(0.5, gt=0)


class GuardianSettings(Strict):
    """`silent_s`: after so long without a heartbeat every goal is cancelled. `beat_s`: period of the heartbeat."""

    beat_s: float = Field(0.05, gt=0)
    silent_s: float = Field(0.3, gt=0)


class SceneSettings(Strict):
    """What the vision node does besides answering.

    Attributes:
        rate_hz: Looks a second of the continuous scene understanding; 0: none.
        camera: Whose images it looks at. phrases: what is looked for in them; hazards: claims that are checked.
        describe: A caption of each look.
        at_once: Questions that it works on at once; more are refused as `busy`.
        limit_s: The longest that a question waits which names no limit of its own.
    """

    rate_hz: float = Field(0.0, ge=0, le=30)
    camera: str = "overhead"
    phrases: tuple[str, ...] = ()
    hazards: tuple[str, ...] = ()
    describe: bool = False
    at_once: int = Field(8, ge=1, le=64)
    limit_s: float = Field(20.0, gt=0)


class RosSettings(Strict):
    """The robot.

    Attributes:
        cameras: By the names that leaves use; "overhead" looks at the bench.
        base_frame: The robot's base: x forward, y left, z up, the bench top at z = 0.
        viewer: "auto": a real py_trees_ros tree where py_trees_ros is installed.
    """

    cameras: dict[str, RosCameraSettings] = {}
    arm: RosArmSettings = RosArmSettings()  # type: ignore[call-arg]
    trajectory: TrajectoryArmSettings = TrajectoryArmSettings()  # type: ignore[call-arg]
    workspace: WorkspaceSettings = WorkspaceSettings()  # type: ignore[call-arg]
    guardian: GuardianSettings = GuardianSettings()  # type: ignore[call-arg]
    scene: SceneSettings = SceneSettings()  # type: ignore[call-arg]
    base_frame: str = "base"
    viewer: Literal["auto", "off", "required"] = "auto"

    @model_validator(mode="after")
    def _sees_the_bench(self) -> RosSettings:
        if self.cameras and "overhead" not in self.cameras:
            raise ValueError(f"cameras: one is called 'overhead'; there are: {', '.join(self.cameras)}")
        return self
