# Only delegates to the real build (CMakeLists.txt, through cmake-js), for tools that run node-gyp.
{
  "targets": [
    {
      "target_name": "prerank_cmake",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake_js",
          "inputs": ["CMakeLists.txt", "scripts/gyp-cmake.mjs"],
          "outputs": ["<(PRODUCT_DIR)/prerank.node"],
          "action": ["node", "scripts/gyp-cmake.mjs", "<(PRODUCT_DIR)"]
        }
      ]
    }
  ]
}
