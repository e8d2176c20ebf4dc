"""Jupyter kernels that end together with the process that started them."""

from jupyter_client.manager import AsyncKernelManager

from unpadded.common import die_with_parent


class BoundKernelManager(AsyncKernelManager):
    """Starts kernels that the system kills when this process dies.

    A kernel looks for its parent only once a second; until then an orphan would go on writing where its successor does.
    """

    async def start_kernel(self, **options) -> None:
        """Start the kernel as `AsyncKernelManager` does; called from a process without other Python threads."""
        await super().start_kernel(preexec_fn=die_with_parent, **options)
