import subprocess
import sys


def test_the_gateway_imports_no_model_library():
    program = (
        "import sys; import services.gateway.main;"
        "print(sorted({'torch', 'onnxruntime', 'onnx', 'scipy', 'ts'} & {m.split('.')[0] for m in sys.modules}))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
